package kobel.runtime;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.YearMonth;
import java.time.ZonedDateTime;
import java.util.function.Consumer;

/** Writes {@code java.time}: moments and durations in seconds, dates and times of the day as arrays of their parts. */
final class JsonTimes {
    private JsonTimes() {}

    static void write(Object value, StringBuilder out, Consumer<String> text) {
        if (value instanceof Instant) {
            seconds(((Instant) value).getEpochSecond(), ((Instant) value).getNano(), out);
        } else if (value instanceof OffsetDateTime) {
            write(((OffsetDateTime) value).toInstant(), out, text);
        } else if (value instanceof ZonedDateTime) {
            write(((ZonedDateTime) value).toInstant(), out, text);
        } else if (value instanceof Duration) {
            seconds(((Duration) value).getSeconds(), ((Duration) value).getNano(), out);
        } else if (value instanceof LocalDate) {
            out.append('[').append(date((LocalDate) value)).append(']');
        } else if (value instanceof LocalTime) {
            out.append('[').append(time((LocalTime) value)).append(']');
        } else if (value instanceof LocalDateTime) {
            LocalDateTime moment = (LocalDateTime) value;
            out.append('[').append(date(moment.toLocalDate())).append(',').append(time(moment.toLocalTime())).append(']');
        } else if (value instanceof Year) {
            out.append(((Year) value).getValue());
        } else if (value instanceof YearMonth) {
            YearMonth month = (YearMonth) value;
            out.append('[').append(month.getYear()).append(',').append(month.getMonthValue()).append(']');
        } else {
            text.accept(value.toString());
        }
    }

    private static void seconds(long seconds, int nanos, StringBuilder out) {
        out.append(seconds).append('.').append(String.format("%09d", nanos));
    }

    private static String date(LocalDate date) {
        return date.getYear() + "," + date.getMonthValue() + "," + date.getDayOfMonth();
    }

    /** Parts at the end that are zero are left out. */
    private static String time(LocalTime time) {
        String shown = time.getHour() + "," + time.getMinute();
        if (time.getSecond() > 0 || time.getNano() > 0) {
            shown += "," + time.getSecond();
        }
        return time.getNano() > 0 ? shown + "," + time.getNano() : shown;
    }
}

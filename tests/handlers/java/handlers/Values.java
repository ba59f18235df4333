package handlers;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/** Returns the value that the event names. */
public class Values {
    public Object value(String name) {
        switch (name) {
            case "map":
                Map<Object, Object> map = new LinkedHashMap<>();
                map.put("none", null);
                map.put(1, Arrays.asList(1, null));
                map.put(Squirrel.Kind.RED, Squirrel.Kind.GREY);
                return map;
            case "bean":
                return new Squirrel();
            case "empty bean":
                return new Object();
            case "numbers":
                return new Object[] {1.0e10, Float.NaN, new BigDecimal("1E+2"), 'c', 1.5f};
            case "texts":
                return Arrays.asList(Locale.US, new UUID(0, 1), "a\"b\\\n\u0001ü", new StringBuilder("sb"), String.class);
            case "times":
                return new Object[] {Instant.ofEpochSecond(7, 5), OffsetDateTime.parse("1970-01-01T01:00:00+01:00"),
                    LocalDate.of(2026, 1, 2), LocalDateTime.of(2026, 1, 2, 3, 4), Duration.ofMillis(1500), new Date(5)};
            case "several":
                return new Object[] {Collections.singleton(1), Stream.of(2), Arrays.asList(3).iterator(), new int[][] {{4}}, Optional.of(5)};
            case "bytes":
                return new Object[] {new byte[] {1, 2}, "ab".toCharArray()};
            case "loop":
                Map<String, Object> loop = new LinkedHashMap<>();
                loop.put("loop", loop);
                return loop;
            default:
                return null;
        }
    }

    public record Pair(String left, int right) {}

    public Pair swap(Pair pair) {
        return new Pair(String.valueOf(pair.right()), Integer.parseInt(pair.left()));
    }

    public int whole(int number) {
        return number;
    }

    public String text(String text) {
        return text;
    }

    public boolean truth(Boolean truth) {
        return truth;
    }

    public void nothing() {}
}

package kobel.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;

/** The function's log: each message is one event, in the function's log format and of its log level. */
final class FunctionLogger implements LambdaLogger {
    /** A line break inside a message that is one event of the log. */
    private static final char MESSAGE_BREAK = '\u001e';
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");

    private final boolean json;
    private final LogLevel least;
    private volatile String requestId;

    FunctionLogger(String format, String level) {
        json = LogFormat.JSON.name().equalsIgnoreCase(format);
        least = level == null ? LogLevel.UNDEFINED : LogLevel.fromString(level);
    }

    void setRequestId(String requestId) {
        this.requestId = requestId;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (isHeard(level)) {
            write(json ? entry(message, level) : level == LogLevel.UNDEFINED ? String.valueOf(message) : "[" + level + "] " + message);
        }
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (isHeard(level)) {
            write(new String(message, StandardCharsets.UTF_8));
        }
    }

    /** Of the runtime's own. */
    void logError(Throwable error) {
        log(Failure.text(error), json ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    private boolean isHeard(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.ordinal() >= least.ordinal();
    }

    private String entry(String message, LogLevel level) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("timestamp", TIMESTAMP.format(OffsetDateTime.now(ZoneOffset.UTC)));
        entry.put("message", message);
        entry.put("level", level);
        entry.put("AWSRequestId", requestId);
        return JsonWriter.write(entry);
    }

    /** Writes one event, whatever line breaks it holds. */
    private static void write(String text) {
        int end = text.length();
        while (end > 0 && (text.charAt(end - 1) == '\n' || text.charAt(end - 1) == '\r')) {
            end--;
        }
        byte[] bytes = (text.substring(0, end).replace('\n', MESSAGE_BREAK) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}

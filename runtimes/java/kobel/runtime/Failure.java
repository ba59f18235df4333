package kobel.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How an exception is shown to the caller and in the log. */
final class Failure {
    private static final int CAUSES_MAX = 16;

    private Failure() {}

    /** {@code errorMessage}, {@code errorType}, {@code stackTrace}, {@code cause}. */
    static Map<String, Object> describe(Throwable error) {
        return describe(error, CAUSES_MAX);
    }

    private static Map<String, Object> describe(Throwable error, int causes) {
        Map<String, Object> described = new LinkedHashMap<>();
        if (error.getMessage() != null) {
            described.put("errorMessage", error.getMessage());
        }
        described.put("errorType", error.getClass().getName());
        described.put("stackTrace", frames(error));
        if (error.getCause() != null && causes > 0) {
            described.put("cause", describe(error.getCause(), causes - 1));
        }
        return described;
    }

    /** One event of the log. */
    static String text(Throwable error) {
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace, true));
        return error.getMessage() + ": " + error.getClass().getName() + "\n" + trace.toString().trim();
    }

    /** Removes the frames of this runtime and of reflection below it. */
    static void trim(Throwable error) {
        int left = CAUSES_MAX;
        for (Throwable at = error; at != null && left > 0; at = at.getCause(), left--) {
            List<StackTraceElement> kept = new ArrayList<>();
            for (StackTraceElement frame : at.getStackTrace()) {
                if (frame.getClassName().startsWith("kobel.runtime.")) {
                    break;
                }
                kept.add(frame);
            }
            int end = kept.size();
            while (end > 0 && isReflection(kept.get(end - 1).getClassName())) {
                end--;
            }
            at.setStackTrace(kept.subList(0, end).toArray(new StackTraceElement[0]));
        }
    }

    private static boolean isReflection(String name) {
        return name.startsWith("java.lang.reflect.") || name.startsWith("jdk.internal.reflect.") || name.startsWith("sun.reflect.");
    }

    private static List<String> frames(Throwable error) {
        List<String> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            frames.add(frame.toString());
        }
        return frames;
    }
}

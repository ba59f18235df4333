package kobel.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** How an exception is shown to the caller and in the log. */
final class Failure {
    private static final int CAUSES_MAX = 16;
    private static final String OWN_PACKAGE = "kobel.runtime.";

    private Failure() {}

    /** The text of an exception, or its class where it has none. */
    static String message(Throwable error) {
        return error.getLocalizedMessage() == null ? error.getClass().getName() : error.getLocalizedMessage();
    }

    /** {@code errorMessage}, {@code errorType}, {@code stackTrace}, {@code cause}. */
    static Map<String, Object> describe(Throwable error) {
        if (error instanceof Fault) {
            Map<String, Object> described = new LinkedHashMap<>();
            described.put("errorMessage", error.getMessage());
            described.put("errorType", typeOf((Fault) error));
            return described;
        }
        return describe(error, CAUSES_MAX);
    }

    private static Map<String, Object> describe(Throwable error, int causes) {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("errorMessage", message(error));
        described.put("errorType", error.getClass().getName());
        described.put("stackTrace", frames(error));
        if (error.getCause() != null && causes > 0) {
            described.put("cause", describe(error.getCause(), causes - 1));
        }
        return described;
    }

    private static String typeOf(Fault fault) {
        return fault.origin == null ? null : fault.origin.getClass().getName();
    }

    /** What Lambda tells the platform that it was: the code's own exception, or code that cannot be run. */
    static String platformType(Throwable error) {
        return error instanceof Fault ? "Runtime.BadFunctionCode" : "Runtime.UserException";
    }

    /** One event of the log. */
    static String text(Throwable error) {
        if (!(error instanceof Fault)) {
            return message(error) + ": " + error.getClass().getName() + "\n" + trace(error) + "\n";
        }
        Fault fault = (Fault) error;
        String more = fault.origin == null ? "" : ": " + typeOf(fault) + "\n" + trace(fault.origin);
        return fault.getMessage() + more + "\n";
    }

    private static String trace(Throwable error) {
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace, true));
        return trace.toString();
    }

    /** Removes the frames of this runtime, and what is below them. */
    static void trim(Throwable error) {
        trim(error instanceof Fault ? ((Fault) error).origin : error, Collections.newSetFromMap(new IdentityHashMap<>()));
    }

    private static void trim(Throwable error, Set<Throwable> seen) {
        if (error == null || !seen.add(error)) {
            return;
        }
        StackTraceElement[] frames = error.getStackTrace();
        for (int index = 0; index < frames.length; index++) {
            if (frames[index].getClassName().startsWith(OWN_PACKAGE)) {
                error.setStackTrace(Arrays.copyOf(frames, index));
                break;
            }
        }
        trim(error.getCause(), seen);
        for (Throwable suppressed : error.getSuppressed()) {
            trim(suppressed, seen);
        }
    }

    private static List<String> frames(Throwable error) {
        List<String> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            frames.add(frame.toString());
        }
        return frames;
    }
}

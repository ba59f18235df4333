package kobel.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;

/** Tells log4j of the running invocation, where the function uses Lambda's appender for it. */
final class Log4jContext {
    private static final String KEY = "AWSRequestId";

    private Log4jContext() {}

    static void put(String requestId) {
        if (!LambdaRuntimeInternal.getUseLog4jAppender()) {
            return;
        }
        boolean first = put("org.apache.log4j.MDC", Object.class, requestId);
        boolean second = put("org.apache.logging.log4j.ThreadContext", String.class, requestId);
        if (!first && !second) {
            System.err.println("The function uses Lambda's appender for log4j, but has neither org.apache.log4j.MDC nor "
                    + "org.apache.logging.log4j.ThreadContext: lines of log4j do not show the request id.");
        }
    }

    private static boolean put(String className, Class<?> valueType, String requestId) {
        try {
            Class.forName(className).getMethod("put", String.class, valueType).invoke(null, KEY, requestId);
            return true;
        } catch (ReflectiveOperationException | LinkageError error) {
            return false;
        }
    }
}

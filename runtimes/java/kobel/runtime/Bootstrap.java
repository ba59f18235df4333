package kobel.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import java.io.EOFException;
import java.io.IOError;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Kobel's bootstrap for Java functions: loads the handler, then serves one event after another. */
public final class Bootstrap {
    private static final int RESPONSE_BYTES_MAX = 6291556;
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";
    private static final FunctionLogger LOGGER =
            new FunctionLogger(System.getenv("AWS_LAMBDA_LOG_FORMAT"), System.getenv("AWS_LAMBDA_LOG_LEVEL"));

    private final Channel channel;
    private final Handlers.Handler handler;

    private Bootstrap(Channel channel, Handlers.Handler handler) {
        this.channel = channel;
        this.handler = handler;
    }

    public static void main(String[] arguments) throws Exception {
        Channel channel = new Channel(Integer.parseInt(System.getenv("_KOBEL_CHANNEL")));
        offerLogger();
        Snapshot.offerHooks();
        Handlers.Handler handler;
        try {
            handler = Handlers.load(System.getenv("_HANDLER"));
        } catch (Throwable error) {
            Failure.trim(error);
            report(channel, Channel.INIT_ERROR, null, error, true);
            System.exit(1);
            return;
        }
        if (Snapshot.isAsked() && !runHooks(channel)) {
            return;
        }
        flush();
        channel.send(Channel.READY, Collections.emptyMap(), new byte[0]);
        try {
            new Bootstrap(channel, handler).serve();
        } catch (EOFException error) {
            // The host is gone.
            Runtime.getRuntime().halt(0);
        }
    }

    /** Whether all hooks have come through; else the runtime ends, with AWS's statuses. */
    private static boolean runHooks(Channel channel) throws IOException {
        String errorType = "Runtime.BeforeCheckpointError";
        int status = 64;
        try {
            Snapshot.runHooksBefore();
            errorType = "Runtime.AfterRestoreError";
            status = 65;
            Snapshot.runHooksAfter();
            return true;
        } catch (Throwable error) {
            Failure.trim(error);
            report(channel, Channel.INIT_ERROR, null, error, errorType, true);
            System.exit(status);
            return false;
        }
    }

    static FunctionLogger logger() {
        return LOGGER;
    }

    /** To code that has no context, by {@link LambdaRuntime#getLogger}. */
    private static void offerLogger() throws ReflectiveOperationException {
        Field field = LambdaRuntime.class.getDeclaredField("logger");
        field.setAccessible(true);
        field.set(null, LOGGER);
    }

    private void serve() throws IOException {
        while (true) {
            Channel.Message message = channel.receive();
            if (message.kind == Channel.INVOKE) {
                invoke(message);
            }
        }
    }

    private void invoke(Channel.Message message) throws IOException {
        Object trace = message.header.get("traceId");
        if (trace == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, trace.toString());
        }
        String requestId = String.valueOf(message.header.get("requestId"));
        LOGGER.setRequestId(requestId);
        byte[] response;
        try {
            Log4jContext.put(requestId);
            response = handler.handle(message.body, new InvocationContext(message.header));
            // The function may have left it set.
            Thread.interrupted();
        } catch (Throwable error) {
            Failure.trim(error);
            boolean fatal = error instanceof VirtualMachineError || error instanceof IOError
                    || error instanceof Fault && ((Fault) error).fatal;
            report(channel, Channel.ERROR, requestId, error, fatal);
            if (fatal) {
                System.exit(1);
            }
            return;
        }
        flush();
        if (response.length > RESPONSE_BYTES_MAX) {
            Map<String, Object> header = new LinkedHashMap<>();
            header.put("requestId", requestId);
            header.put("errorType", "Function.ResponseSizeTooLarge");
            channel.send(Channel.ERROR, header, new byte[0]);
        } else {
            channel.send(Channel.RESPONSE, Collections.singletonMap("requestId", requestId), response);
        }
    }

    private static void report(Channel channel, int kind, String requestId, Throwable error, boolean fatal) throws IOException {
        report(channel, kind, requestId, error, Failure.platformType(error), fatal);
    }

    private static void report(
            Channel channel, int kind, String requestId, Throwable error, String errorType, boolean fatal) throws IOException {
        LOGGER.logError(error);
        flush();
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("requestId", requestId);
        header.put("errorType", errorType);
        header.put("fatal", fatal);
        channel.send(kind, header, JsonWriter.write(Failure.describe(error)).getBytes(StandardCharsets.UTF_8));
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }
}

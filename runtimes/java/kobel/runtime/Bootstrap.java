package kobel.runtime;

import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Kobel's bootstrap for Java functions: loads the handler, then serves one event after another. */
public final class Bootstrap {
    private static final int RESPONSE_BYTES_MAX = 6291556;
    /** A line break inside a message that is one event of the log. */
    private static final char MESSAGE_BREAK = '\u001e';

    private final Channel channel;
    private final Handlers.Handler handler;

    private Bootstrap(Channel channel, Handlers.Handler handler) {
        this.channel = channel;
        this.handler = handler;
    }

    public static void main(String[] arguments) throws Exception {
        Channel channel = new Channel(Integer.parseInt(System.getenv("_KOBEL_CHANNEL")));
        Handlers.Handler handler;
        try {
            handler = Handlers.load(System.getenv("_HANDLER"));
        } catch (Throwable error) {
            Failure.trim(error);
            report(channel, Channel.INIT_ERROR, null, error, true);
            System.exit(1);
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

    /** Writes one event of the log, whatever line breaks it holds. */
    static void writeEvent(String message) {
        String text = String.valueOf(message);
        int end = text.length();
        while (end > 0 && (text.charAt(end - 1) == '\n' || text.charAt(end - 1) == '\r')) {
            end--;
        }
        byte[] bytes = (text.substring(0, end).replace('\n', MESSAGE_BREAK) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
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
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", trace.toString());
        }
        Object requestId = message.header.get("requestId");
        byte[] response;
        try {
            response = handler.handle(message.body, new InvocationContext(message.header));
        } catch (Throwable error) {
            Failure.trim(error);
            boolean fatal = error instanceof VirtualMachineError;
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

    private static void report(Channel channel, int kind, Object requestId, Throwable error, boolean fatal) throws IOException {
        writeEvent(Failure.text(error));
        flush();
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("requestId", requestId);
        header.put("errorType", error.getClass().getName());
        header.put("fatal", fatal);
        channel.send(kind, header, JsonWriter.write(Failure.describe(error)).getBytes(StandardCharsets.UTF_8));
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }
}

package handlers;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** Classes that Lambda cannot run, or that fail. */
public class Faulty {
    public static class Constructor implements RequestHandler<String, String> {
        public Constructor() {
            throw new IllegalStateException("no roots");
        }

        @Override
        public String handleRequest(String event, Context context) {
            return event;
        }
    }

    public static class Initializer {
        static final int LENGTH = Integer.parseInt("wood");

        public String handle() {
            return "never";
        }
    }

    public static class Arguments {
        public Arguments(String needed) {}

        public String handle() {
            return "never";
        }
    }

    public static class NoHandler {}

    @SuppressWarnings("rawtypes")
    public static class Raw implements RequestHandler {
        @Override
        public Object handleRequest(Object event, Context context) {
            return event;
        }
    }

    public static class Failing implements RequestHandler<String, String> {
        @Override
        public String handleRequest(String event, Context context) {
            switch (event) {
                case "silent":
                    throw new IllegalArgumentException();
                case "cause":
                    throw new RuntimeException("outside", new java.io.IOException("inside"));
                case "deep":
                    return handleRequest(event, context) + event;
                case "exit":
                    System.exit(4);
                    return "never";
                default:
                    throw new UnsupportedOperationException(event);
            }
        }
    }
}

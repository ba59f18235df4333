package handlers;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.S3Event;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a handler sees beside its event. */
public class Contexts {
    public Map<String, Object> context(Object event, Context context) {
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("requestId", context.getAwsRequestId());
        seen.put("group", context.getLogGroupName());
        seen.put("stream", context.getLogStreamName());
        seen.put("function", context.getFunctionName());
        seen.put("version", context.getFunctionVersion());
        seen.put("arn", context.getInvokedFunctionArn());
        seen.put("memory", context.getMemoryLimitInMB());
        seen.put("left", context.getRemainingTimeInMillis());
        seen.put("identity", context.getIdentity() == null ? "none" : "some");
        seen.put("tenant", context.getTenantId() == null ? "none" : "some");
        seen.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        if (context.getClientContext() != null) {
            seen.put("title", context.getClientContext().getClient().getAppTitle());
            seen.put("custom", context.getClientContext().getCustom());
            seen.put("environment", String.valueOf(context.getClientContext().getEnvironment()));
        }
        return seen;
    }

    public String log(String event, Context context) {
        LambdaLogger logger = LambdaRuntime.getLogger();
        context.getLogger().log("two\nlines");
        logger.log("fine", LogLevel.DEBUG);
        logger.log("grave", LogLevel.ERROR);
        logger.log("bytes".getBytes(StandardCharsets.UTF_8), LogLevel.WARN);
        System.out.println("printed");
        System.err.print("unfinished");
        return "logged";
    }

    public static class Queue implements RequestHandler<SQSEvent, String> {
        @Override
        public String handleRequest(SQSEvent event, Context context) {
            SQSEvent.SQSMessage message = event.getRecords().get(0);
            return message.getBody() + " of " + message.getEventSourceArn() + " " + message.getAttributes();
        }
    }

    public static class Bucket implements RequestHandler<S3Event, String> {
        @Override
        public String handleRequest(S3Event event, Context context) {
            S3Event.Entry entry = event.getRecords().get(0);
            return entry.getEventName() + " " + entry.getS3().getKey() + " " + entry.getS3().getSize() + entry.getS3().getxAmzId2() + " " + entry.getEventTime().getYear();
        }
    }

    public abstract static class Base<I> implements RequestHandler<I, Object> {}

    public static class Inherited extends Base<Squirrel.Nest> {
        @Override
        public Object handleRequest(Squirrel.Nest nest, Context context) {
            return nest.height;
        }
    }
}

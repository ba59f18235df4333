package kobel.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** The context of one invocation, from the header of its message and the environment. */
final class InvocationContext implements Context {
    private final Map<?, ?> header;

    InvocationContext(Map<?, ?> header) {
        this.header = header;
    }

    @Override
    public String getAwsRequestId() {
        return text(header, "requestId");
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return text(header, "functionArn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        if (header.get("cognitoIdentity") == null) {
            return null;
        }
        Map<?, ?> identity = parsed("cognitoIdentity");
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(identity, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(identity, "cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public ClientContext getClientContext() {
        if (header.get("clientContext") == null) {
            return null;
        }
        Map<?, ?> context = parsed("clientContext");
        return new ClientContext() {
            @Override
            public Client getClient() {
                return context.get("client") instanceof Map ? client((Map<?, ?>) context.get("client")) : null;
            }

            @Override
            public Map<String, String> getCustom() {
                return texts(context.get("custom"));
            }

            @Override
            public Map<String, String> getEnvironment() {
                return texts(context.get("env"));
            }
        };
    }

    @Override
    public int getRemainingTimeInMillis() {
        long left = ((Number) header.get("deadlineMs")).longValue() - System.currentTimeMillis();
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE, left));
    }

    @Override
    public int getMemoryLimitInMB() {
        String size = System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        return size == null ? 0 : Integer.parseInt(size);
    }

    @Override
    public String getXrayTraceId() {
        return text(header, "traceId");
    }

    @Override
    public LambdaLogger getLogger() {
        return Bootstrap.logger();
    }

    private Map<?, ?> parsed(String name) {
        String json = text(header, name);
        if (json == null) {
            return Collections.emptyMap();
        }
        Object value = JsonReader.read(json.getBytes(StandardCharsets.UTF_8));
        return value instanceof Map ? (Map<?, ?>) value : Collections.emptyMap();
    }

    private static String text(Map<?, ?> map, String name) {
        Object value = map.get(name);
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object value) {
        if (!(value instanceof Map)) {
            return null;
        }
        Map<String, String> texts = new LinkedHashMap<>();
        ((Map<?, ?>) value).forEach((name, item) -> texts.put(String.valueOf(name), item == null ? null : String.valueOf(item)));
        return texts;
    }

    private static Client client(Map<?, ?> client) {
        return new Client() {
            @Override
            public String getInstallationId() {
                return text(client, "installation_id");
            }

            @Override
            public String getAppTitle() {
                return text(client, "app_title");
            }

            @Override
            public String getAppVersionName() {
                return text(client, "app_version_name");
            }

            @Override
            public String getAppVersionCode() {
                return text(client, "app_version_code");
            }

            @Override
            public String getAppPackageName() {
                return text(client, "app_package_name");
            }
        };
    }
}

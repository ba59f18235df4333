package example;

import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** GetObject with nothing but the JDK: one request, signed with Signature Version 4. */
final class S3Reader {
    private static final DateTimeFormatter TIMESTAMP =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final String EMPTY_SHA256 = InspectHandler.sha256(new byte[0]);
    private static final int TIMEOUT_MS = 5_000;

    private final URI endpoint;
    private final Signer signer;

    private S3Reader(URI endpoint, Signer signer) {
        this.endpoint = endpoint;
        this.signer = signer;
    }

    /** The role's credentials, the region and, as in the AWS SDKs, the endpoint come from the environment. */
    static S3Reader fromEnvironment() {
        Map<String, String> env = System.getenv();
        String region = env.get("AWS_REGION");
        String endpoint = env.getOrDefault("AWS_ENDPOINT_URL_S3",
                env.getOrDefault("AWS_ENDPOINT_URL", "https://s3." + region + ".amazonaws.com"));
        Signer signer = new Signer(env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY"), region, "s3");
        return new S3Reader(URI.create(endpoint), signer);
    }

    byte[] getObject(String bucket, String key) throws IOException {
        String path = "/" + encode(bucket) + "/"
                + Arrays.stream(key.split("/", -1)).map(S3Reader::encode).collect(Collectors.joining("/"));

        Map<String, String> headers = new TreeMap<>();
        headers.put("host", endpoint.getAuthority());
        headers.put("x-amz-content-sha256", EMPTY_SHA256);
        headers.put("x-amz-date", TIMESTAMP.format(Instant.now()));
        String token = System.getenv("AWS_SESSION_TOKEN");
        if (token != null) {
            headers.put("x-amz-security-token", token);
        }
        String authorization = signer.authorization("GET", path, headers, EMPTY_SHA256);

        URI uri = URI.create(endpoint.getScheme() + "://" + endpoint.getAuthority() + path);
        HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
        connection.setConnectTimeout(TIMEOUT_MS);
        connection.setReadTimeout(TIMEOUT_MS);
        headers.forEach((name, value) -> {
            if (!name.equals("host")) {
                connection.setRequestProperty(name, value);
            }
        });
        connection.setRequestProperty("authorization", authorization);
        int status = connection.getResponseCode();
        if (status != 200) {
            throw new IOException("S3 answered " + status);
        }
        try (InputStream body = connection.getInputStream()) {
            return body.readAllBytes();
        }
    }

    private static String encode(String segment) {
        return URLEncoder.encode(segment, StandardCharsets.UTF_8)
                .replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }
}

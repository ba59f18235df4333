package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads an uploaded text from S3 and returns what it measured. */
public class InspectHandler implements RequestHandler<Map<String, Object>, Map<String, Object>> {

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        List<Map<String, Object>> records = list(event.get("Records"));
        if (records.isEmpty()) {
            throw new IllegalArgumentException("the event has no Records");
        }
        // S3 sends one record an event.
        Map<String, Object> s3 = map(records.get(0).get("s3"));
        String bucket = (String) map(s3.get("bucket")).get("name");
        Map<String, Object> object = map(s3.get("object"));
        // S3 encodes the key as in an HTML form.
        String key = URLDecoder.decode((String) object.get("key"), StandardCharsets.UTF_8);

        context.getLogger().log("inspecting s3://" + bucket + "/" + key + "\n");
        byte[] body = read(bucket, key);

        Map<String, Object> result = new LinkedHashMap<>();
        result.put("bucket", bucket);
        result.put("key", key);
        result.put("size", body.length);
        result.put("eTag", object.get("eTag"));
        result.put("lines", lines(body));
        result.put("words", words(body));
        result.put("sha256", sha256(body));
        result.put("uploadedAt", records.get(0).get("eventTime"));
        return result;
    }

    private static byte[] read(String bucket, String key) {
        try {
            return S3Reader.fromEnvironment().getObject(bucket, key);
        } catch (IOException e) {
            throw new IllegalStateException("failed to read s3://" + bucket + "/" + key + ": " + e.getMessage(), e);
        }
    }

    static long lines(byte[] body) {
        return new String(body, StandardCharsets.UTF_8).lines().count();
    }

    static long words(byte[] body) {
        String text = new String(body, StandardCharsets.UTF_8).strip();
        return text.isEmpty() ? 0 : text.split("\\s+").length;
    }

    static String sha256(byte[] body) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Object value) {
        return value == null ? Map.of() : (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> list(Object value) {
        return value == null ? List.of() : (List<Map<String, Object>>) value;
    }
}

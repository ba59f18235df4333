package handlers;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;

/** Methods of one name, of which Lambda takes one. */
public class Overloads {
    public String longest() {
        return "none";
    }

    public String longest(Map<String, Object> event) {
        return "event";
    }

    public String longest(Map<String, Object> event, Context context) {
        return "event and context";
    }

    public String longest(String first, String second, String third, String fourth) {
        return "too many";
    }

    public String context(Context context) {
        return context.getFunctionName();
    }

    public void streams(InputStream input, OutputStream output, Context context) throws IOException {
        output.write('[');
        input.transferTo(output);
        output.write(']');
    }

    public String output(OutputStream output) throws IOException {
        output.write("\"written\"".getBytes());
        return "ignored";
    }

    public String wrong(String first, String second) {
        return "never";
    }

    public class Inner {
        public String handle() {
            return "never";
        }
    }
}

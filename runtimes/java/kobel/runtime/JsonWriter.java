package kobel.runtime;

import java.io.File;
import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.TimeZone;
import java.util.stream.BaseStream;

/**
 * Writes objects as JSON, with the rules that Lambda sets for Jackson: maps, iterables and arrays as such, any other
 * object by its properties, without those that are null.
 */
final class JsonWriter {
    private static final int DEPTH_MAX = 200;

    private final StringBuilder out = new StringBuilder();

    static String write(Object value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value, 0);
        return writer.out.toString();
    }

    private void value(Object value, int depth) {
        if (depth > DEPTH_MAX) {
            throw new IllegalArgumentException("objects are nested too deeply, or refer to themselves");
        }
        if (value == null) {
            out.append("null");
        } else if (value instanceof Enum) {
            string(((Enum<?>) value).name());
        } else if (isText(value)) {
            string(value.toString());
        } else if (value instanceof Number || value instanceof Boolean) {
            number(value);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value, depth);
        } else if (value.getClass().isArray() || value instanceof ByteBuffer) {
            array(value, depth);
        } else if (!special(value, depth)) {
            object(value, depth);
        }
    }

    /** Types of Java with a form of their own; false for others. */
    private boolean special(Object value, int depth) {
        if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null), depth);
        } else if (value instanceof Iterable) {
            items(((Iterable<?>) value).iterator(), depth);
        } else if (value instanceof Iterator) {
            items((Iterator<?>) value, depth);
        } else if (value instanceof BaseStream) {
            items(((BaseStream<?, ?>) value).iterator(), depth);
        } else if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (value instanceof Class) {
            string(((Class<?>) value).getName());
        } else if (value instanceof TimeZone) {
            string(((TimeZone) value).getID());
        } else if (value.getClass().getName().startsWith("java.time.")) {
            JsonTimes.write(value, out, this::string);
        } else {
            return false;
        }
        return true;
    }

    /** Types that have one text form. */
    private static boolean isText(Object value) {
        String name = value.getClass().getName();
        return value instanceof CharSequence || value instanceof Character || value instanceof File || value instanceof Path
                || name.startsWith("org.joda.time.") || name.equals("java.util.UUID") || name.startsWith("java.net.UR")
                || name.equals("java.util.Locale") || name.equals("java.util.Currency") || name.equals("java.util.regex.Pattern");
    }

    private void number(Object value) {
        boolean finite = !(value instanceof Double && !Double.isFinite((Double) value))
                && !(value instanceof Float && !Float.isFinite((Float) value));
        out.append(finite ? value.toString() : '"' + value.toString() + '"');
    }

    private void map(Map<?, ?> map, int depth) {
        out.append('{');
        int before = out.length();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (entry.getValue() != null) {
                member(before, keyOf(entry.getKey()), entry.getValue(), depth);
            }
        }
        out.append('}');
    }

    private static String keyOf(Object key) {
        return key instanceof Enum ? ((Enum<?>) key).name() : String.valueOf(key);
    }

    private void object(Object bean, int depth) {
        out.append('{');
        int before = out.length();
        for (Properties.Property property : Properties.of(bean.getClass()).all()) {
            Object value = property.isWritten() ? read(bean, property) : null;
            if (value != null) {
                member(before, property.name, value, depth);
            }
        }
        out.append('}');
    }

    private void member(int before, String name, Object value, int depth) {
        if (out.length() > before) {
            out.append(',');
        }
        string(name);
        out.append(':');
        value(value, depth + 1);
    }

    private static Object read(Object bean, Properties.Property property) {
        try {
            return property.getter != null ? property.getter.invoke(bean) : property.field.get(bean);
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("a getter failed: " + error.getCause(), error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error.toString(), error);
        }
    }

    private void items(Iterator<?> items, int depth) {
        out.append('[');
        while (items.hasNext()) {
            value(items.next(), depth + 1);
            if (items.hasNext()) {
                out.append(',');
            }
        }
        out.append(']');
    }

    private void array(Object array, int depth) {
        if (array instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) array));
            return;
        }
        if (array instanceof ByteBuffer) {
            ByteBuffer bytes = Base64.getEncoder().encode(((ByteBuffer) array).duplicate());
            string(StandardCharsets.ISO_8859_1.decode(bytes).toString());
            return;
        }
        if (array instanceof char[]) {
            string(new String((char[]) array));
            return;
        }
        out.append('[');
        int length = Array.getLength(array);
        for (int index = 0; index < length; index++) {
            if (index > 0) {
                out.append(',');
            }
            value(Array.get(array, index), depth + 1);
        }
        out.append(']');
    }

    private void string(String text) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char letter = text.charAt(index);
            switch (letter) {
                case '"':
                    out.append("\\\"");
                    break;
                case '\\':
                    out.append("\\\\");
                    break;
                case '\n':
                    out.append("\\n");
                    break;
                case '\r':
                    out.append("\\r");
                    break;
                case '\t':
                    out.append("\\t");
                    break;
                default:
                    if (letter < 0x20) {
                        out.append(String.format("\\u%04x", (int) letter));
                    } else {
                        out.append(letter);
                    }
            }
        }
        out.append('"');
    }
}

package kobel.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Writes objects as JSON: maps, iterables, arrays, and any other by its getters and public fields. */
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
        } else if (value instanceof String || value instanceof Character || value instanceof Enum) {
            string(value instanceof Enum ? ((Enum<?>) value).name() : value.toString());
        } else if (value instanceof Number || value instanceof Boolean) {
            number(value);
        } else if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null), depth);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value, depth);
        } else if (value instanceof Iterable) {
            items(((Iterable<?>) value).iterator(), depth);
        } else if (value instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value.getClass().isArray()) {
            array(value, depth);
        } else if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (isText(value.getClass())) {
            string(value.toString());
        } else {
            map(properties(value), depth);
        }
    }

    /** Types of libraries that have one text form. */
    private static boolean isText(Class<?> type) {
        String name = type.getName();
        return name.startsWith("java.time.") || name.startsWith("org.joda.time.") || name.equals("java.util.UUID")
                || name.startsWith("java.net.UR") || name.equals("java.util.Locale") || name.equals("java.util.Currency");
    }

    private void number(Object value) {
        boolean finite = !(value instanceof Double && !Double.isFinite((Double) value))
                && !(value instanceof Float && !Float.isFinite((Float) value));
        out.append(finite ? value.toString() : '"' + value.toString() + '"');
    }

    private void map(Map<?, ?> map, int depth) {
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!first) {
                out.append(',');
            }
            first = false;
            string(String.valueOf(entry.getKey()));
            out.append(':');
            value(entry.getValue(), depth + 1);
        }
        out.append('}');
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

    private static Map<String, Object> properties(Object bean) {
        Map<String, Object> properties = new TreeMap<>();
        try {
            for (Field field : bean.getClass().getFields()) {
                if (!Modifier.isStatic(field.getModifiers())) {
                    properties.put(field.getName(), field.get(bean));
                }
            }
            for (Method method : bean.getClass().getMethods()) {
                String name = Binder.propertyOfGetter(method);
                if (name != null) {
                    method.setAccessible(true);
                    properties.put(name, method.invoke(bean));
                }
            }
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("a getter failed: " + error.getCause(), error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error.toString(), error);
        }
        return properties;
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

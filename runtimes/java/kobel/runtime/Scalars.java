package kobel.runtime;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.Base64;
import java.util.Date;

/** Makes single values out of JSON texts, numbers and booleans, as leniently as Lambda does. */
final class Scalars {
    private static final int SCALE_MAX = 100000;

    private Scalars() {}

    static boolean isScalar(Class<?> raw) {
        return raw.isPrimitive() || raw.isEnum() || CharSequence.class.isAssignableFrom(raw) || raw == Boolean.class
                || raw == Character.class || Number.class.isAssignableFrom(raw) || Date.class.isAssignableFrom(raw)
                || raw.getName().startsWith("java.") || raw.getName().startsWith("org.joda.time.");
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object make(Object value, Class<?> raw) {
        String text = value.toString();
        if (raw == String.class || raw == CharSequence.class) {
            return text;
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return truth(value, raw);
        }
        if (raw == char.class || raw == Character.class) {
            return value instanceof Integer ? (Object) (char) ((Integer) value).intValue() : text.charAt(0);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            return number(value, raw);
        }
        if (raw.isEnum()) {
            return constant(value, (Class<Enum>) raw);
        }
        if (raw == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        }
        if (raw == Date.class) {
            return value instanceof Number ? new Date(((Number) value).longValue()) : Date.from(instant(text));
        }
        if (raw == Instant.class && value instanceof Number) {
            BigDecimal seconds = new BigDecimal(text);
            return Instant.ofEpochSecond(seconds.longValue(), seconds.remainder(BigDecimal.ONE).movePointRight(9).longValue());
        }
        return raw.isInstance(value) ? value : fromText(text, raw);
    }

    static IllegalArgumentException wrong(Object value, Class<?> raw) {
        String shown = value instanceof java.util.Map ? "a JSON object" : value instanceof java.util.List ? "a JSON array" : "\"" + value + "\"";
        return new IllegalArgumentException("Cannot make a " + raw.getName() + " of " + shown);
    }

    private static Object truth(Object value, Class<?> raw) {
        if (value instanceof Boolean) {
            return value;
        }
        if (value instanceof Number) {
            return ((Number) value).doubleValue() != 0;
        }
        switch (value.toString()) {
            case "true":
            case "True":
            case "TRUE":
                return true;
            case "false":
            case "False":
            case "FALSE":
                return false;
            default:
                throw wrong(value, raw);
        }
    }

    /** A name nobody knows is null. */
    private static <E extends Enum<E>> Object constant(Object value, Class<E> raw) {
        E[] constants = raw.getEnumConstants();
        if (value instanceof Integer) {
            int index = (Integer) value;
            return index >= 0 && index < constants.length ? constants[index] : null;
        }
        for (E constant : constants) {
            if (constant.name().equals(value.toString())) {
                return constant;
            }
        }
        return null;
    }

    private static Instant instant(String text) {
        return text.length() == 10 ? LocalDate.parse(text).atStartOfDay(java.time.ZoneOffset.UTC).toInstant() : OffsetDateTime.parse(text).toInstant();
    }

    private static Object number(Object value, Class<?> raw) {
        BigDecimal number;
        try {
            number = new BigDecimal(value.toString().trim());
        } catch (NumberFormatException error) {
            return special(value, raw);
        }
        if (raw == double.class || raw == Double.class) {
            return number.doubleValue();
        }
        if (raw == float.class || raw == Float.class) {
            return number.floatValue();
        }
        if (raw == BigDecimal.class) {
            return number;
        }
        // A few letters can name a number that no memory holds.
        if (Math.abs((long) number.scale()) > SCALE_MAX) {
            throw new NumberFormatException(value.toString());
        }
        BigInteger whole = number.toBigInteger();
        if (raw == int.class || raw == Integer.class) {
            return (int) within(whole, Integer.MIN_VALUE, Integer.MAX_VALUE, raw);
        }
        if (raw == long.class || raw == Long.class) {
            return within(whole, Long.MIN_VALUE, Long.MAX_VALUE, raw);
        }
        if (raw == short.class || raw == Short.class) {
            return (short) within(whole, Short.MIN_VALUE, Short.MAX_VALUE, raw);
        }
        if (raw == byte.class || raw == Byte.class) {
            // As Jackson, which takes bytes without a sign too.
            return (byte) within(whole, Byte.MIN_VALUE, 255, raw);
        }
        return raw == BigInteger.class ? whole : value;
    }

    /** {@code NaN} and the infinities. */
    private static Object special(Object value, Class<?> raw) {
        boolean real = raw == double.class || raw == Double.class || raw == float.class || raw == Float.class;
        boolean known = "NaN".equals(value) || "Infinity".equals(value) || "-Infinity".equals(value);
        if (!real || !known) {
            throw wrong(value, raw);
        }
        double number = Double.parseDouble(value.toString());
        return raw == float.class || raw == Float.class ? (Object) (float) number : number;
    }

    private static long within(BigInteger number, long least, long most, Class<?> raw) {
        if (number.compareTo(BigInteger.valueOf(least)) < 0 || number.compareTo(BigInteger.valueOf(most)) > 0) {
            throw new IllegalArgumentException("Numeric value (" + number + ") out of range of " + raw.getSimpleName());
        }
        return number.longValue();
    }

    /** By a static {@code parse}, {@code valueOf} or {@code fromString}, or a constructor of one text. */
    private static Object fromText(String text, Class<?> raw) {
        try {
            for (String name : new String[] {"parse", "valueOf", "fromString", "of", "compile", "create"}) {
                for (Method method : raw.getMethods()) {
                    boolean fits = method.getName().equals(name) && Modifier.isStatic(method.getModifiers())
                            && method.getParameterCount() == 1 && raw.isAssignableFrom(method.getReturnType())
                            && method.getParameterTypes()[0].isAssignableFrom(String.class);
                    if (fits) {
                        return method.invoke(null, text);
                    }
                }
            }
            return raw.getConstructor(String.class).newInstance(text);
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("Cannot make a " + raw.getName() + " of \"" + text + "\"", error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("Cannot make a " + raw.getName() + " of a JSON text or number", error);
        }
    }
}

package kobel.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Makes objects of a wanted type out of what {@link JsonReader} read.
 *
 * <p>A class is filled by its setters and fields; without a default constructor, by the constructor
 * whose parameters follow its fields, as records have. Names match exactly, or but for the case of
 * the first letter. Unknown members are ignored.
 */
final class Binder {
    private Binder() {}

    static Object bind(Object value, Type type) {
        Class<?> raw = raw(type);
        if (value == null) {
            return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : raw == Optional.class ? Optional.empty() : null;
        }
        if (raw == Object.class || raw == value.getClass()) {
            return value;
        }
        if (raw == Optional.class) {
            return Optional.of(bind(value, argument(type, 0)));
        }
        if (Map.class.isAssignableFrom(raw) && value instanceof Map) {
            return map((Map<?, ?>) value, type, raw);
        }
        if (Collection.class.isAssignableFrom(raw) && value instanceof List) {
            return collection((List<?>) value, type, raw);
        }
        if (raw.isArray()) {
            return array(value, type, raw);
        }
        if (value instanceof Map) {
            return bean((Map<?, ?>) value, raw);
        }
        if (value instanceof List) {
            throw new IllegalArgumentException("cannot make a " + raw.getName() + " of a JSON array");
        }
        return scalar(value, raw);
    }

    /** The property that a getter gives, or null when the method is none. */
    static String propertyOfGetter(Method method) {
        boolean candidate = method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers())
                && method.getReturnType() != void.class && method.getDeclaringClass() != Object.class && !method.isBridge();
        if (!candidate) {
            return null;
        }
        String name = method.getName();
        if (name.startsWith("get") && name.length() > 3) {
            return decapitalized(name.substring(3));
        }
        boolean truth = method.getReturnType() == boolean.class || method.getReturnType() == Boolean.class;
        if (truth && name.startsWith("is") && name.length() > 2) {
            return decapitalized(name.substring(2));
        }
        return isRecordPart(method) ? name : null;
    }

    private static boolean isRecordPart(Method method) {
        Class<?> parent = method.getDeclaringClass().getSuperclass();
        if (parent == null || !parent.getName().equals("java.lang.Record")) {
            return false;
        }
        try {
            Field field = method.getDeclaringClass().getDeclaredField(method.getName());
            return !Modifier.isStatic(field.getModifiers());
        } catch (NoSuchFieldException error) {
            return false;
        }
    }

    private static String decapitalized(String name) {
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    static Class<?> raw(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return raw(((ParameterizedType) type).getRawType());
        }
        if (type instanceof GenericArrayType) {
            return Array.newInstance(raw(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
        }
        if (type instanceof WildcardType) {
            return raw(((WildcardType) type).getUpperBounds()[0]);
        }
        return Object.class;
    }

    private static Type argument(Type type, int index) {
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            return index < arguments.length ? arguments[index] : Object.class;
        }
        return Object.class;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Map<?, ?> value, Type type, Class<?> raw) {
        Map<Object, Object> map;
        if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) {
            map = SortedMap.class.isAssignableFrom(raw) ? new TreeMap<>() : new LinkedHashMap<>();
        } else {
            map = (Map<Object, Object>) create(raw);
        }
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            map.put(bind(entry.getKey(), argument(type, 0)), bind(entry.getValue(), argument(type, 1)));
        }
        return map;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(List<?> value, Type type, Class<?> raw) {
        Collection<Object> collection;
        if (!raw.isInterface() && !Modifier.isAbstract(raw.getModifiers())) {
            collection = (Collection<Object>) create(raw);
        } else if (SortedSet.class.isAssignableFrom(raw)) {
            collection = new TreeSet<>();
        } else if (Set.class.isAssignableFrom(raw)) {
            collection = new LinkedHashSet<>();
        } else {
            collection = Queue.class.isAssignableFrom(raw) ? new ArrayDeque<>() : new ArrayList<>();
        }
        for (Object item : value) {
            collection.add(bind(item, argument(type, 0)));
        }
        return collection;
    }

    private static Object array(Object value, Type type, Class<?> raw) {
        if (raw == byte[].class && value instanceof String) {
            return Base64.getDecoder().decode((String) value);
        }
        if (!(value instanceof List)) {
            throw new IllegalArgumentException("cannot make an array of " + value.getClass().getSimpleName());
        }
        List<?> list = (List<?>) value;
        Type part = type instanceof GenericArrayType ? ((GenericArrayType) type).getGenericComponentType() : raw.getComponentType();
        Object array = Array.newInstance(raw.getComponentType(), list.size());
        for (int index = 0; index < list.size(); index++) {
            Array.set(array, index, bind(list.get(index), part));
        }
        return array;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object scalar(Object value, Class<?> raw) {
        String text = value.toString();
        if (raw == String.class || raw == CharSequence.class) {
            return text;
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return value instanceof Boolean ? value : Boolean.valueOf(text);
        }
        if (raw == char.class || raw == Character.class) {
            return text.charAt(0);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            return number(value, raw);
        }
        if (raw.isEnum()) {
            return Enum.valueOf((Class<Enum>) raw, text);
        }
        if (Date.class.isAssignableFrom(raw) && value instanceof Number) {
            return new Date(((Number) value).longValue());
        }
        if (raw == Date.class) {
            return Date.from(java.time.OffsetDateTime.parse(text).toInstant());
        }
        if (raw.isInstance(value)) {
            return value;
        }
        return fromText(text, raw);
    }

    private static Object number(Object value, Class<?> raw) {
        BigDecimal number = new BigDecimal(value.toString());
        if (raw == int.class || raw == Integer.class) {
            return number.intValue();
        }
        if (raw == long.class || raw == Long.class) {
            return number.longValue();
        }
        if (raw == double.class || raw == Double.class) {
            return number.doubleValue();
        }
        if (raw == float.class || raw == Float.class) {
            return number.floatValue();
        }
        if (raw == short.class || raw == Short.class) {
            return number.shortValue();
        }
        if (raw == byte.class || raw == Byte.class) {
            return number.byteValue();
        }
        if (raw == BigInteger.class) {
            return number.toBigInteger();
        }
        return raw == BigDecimal.class ? number : value;
    }

    /** By a static {@code parse}, {@code valueOf} or {@code fromString}, or a constructor of one text. */
    private static Object fromText(String text, Class<?> raw) {
        try {
            for (String name : new String[] {"parse", "valueOf", "fromString"}) {
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
            throw new IllegalArgumentException("cannot make a " + raw.getName() + " of \"" + text + "\"", error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("cannot make a " + raw.getName() + " of a JSON text or number", error);
        }
    }

    private static Object bean(Map<?, ?> value, Class<?> raw) {
        if (raw.isPrimitive() || raw == String.class || Number.class.isAssignableFrom(raw) || raw == Boolean.class) {
            throw new IllegalArgumentException("cannot make a " + raw.getName() + " of a JSON object");
        }
        Constructor<?> empty = emptyConstructor(raw);
        if (empty == null) {
            return byConstructor(value, raw);
        }
        Object bean = create(raw);
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            set(bean, raw, String.valueOf(entry.getKey()), entry.getValue());
        }
        return bean;
    }

    private static void set(Object bean, Class<?> raw, String name, Object value) {
        try {
            Method setter = setter(raw, name);
            if (setter != null) {
                open(setter);
                setter.invoke(bean, bind(value, setter.getGenericParameterTypes()[0]));
                return;
            }
            Field field = field(raw, name);
            if (field != null) {
                open(field);
                field.set(bean, bind(value, field.getGenericType()));
            }
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("the setter of " + name + " failed: " + error.getCause(), error.getCause());
        } catch (IllegalAccessException error) {
            throw new IllegalArgumentException(error.toString(), error);
        }
    }

    private static Method setter(Class<?> raw, String name) {
        Method found = null;
        for (Method method : raw.getMethods()) {
            boolean fits = method.getParameterCount() == 1 && method.getName().startsWith("set")
                    && matches(method.getName().substring(3), name) && !method.isBridge();
            // Several setters of one name: the one that the getter agrees with is rarely the String one.
            if (fits && (found == null || found.getParameterTypes()[0] == String.class)) {
                found = method;
            }
        }
        return found;
    }

    private static Field field(Class<?> raw, String name) {
        for (Class<?> at = raw; at != null && at != Object.class; at = at.getSuperclass()) {
            for (Field field : at.getDeclaredFields()) {
                int modifiers = field.getModifiers();
                boolean usable = !Modifier.isStatic(modifiers) && !Modifier.isTransient(modifiers) && !field.isSynthetic();
                if (usable && matches(field.getName(), name)) {
                    return field;
                }
            }
        }
        return null;
    }

    private static boolean matches(String property, String name) {
        return !property.isEmpty() && property.length() == name.length() && property.regionMatches(1, name, 1, name.length() - 1)
                && Character.toLowerCase(property.charAt(0)) == Character.toLowerCase(name.charAt(0));
    }

    private static Object byConstructor(Map<?, ?> value, Class<?> raw) {
        List<Field> fields = new ArrayList<>();
        for (Class<?> at = raw; at != null && at != Object.class; at = at.getSuperclass()) {
            int first = 0;
            for (Field field : at.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) {
                    fields.add(first++, field);
                }
            }
        }
        for (Constructor<?> constructor : raw.getDeclaredConstructors()) {
            if (!follows(constructor, fields)) {
                continue;
            }
            Object[] arguments = new Object[fields.size()];
            for (int index = 0; index < arguments.length; index++) {
                arguments[index] = bind(member(value, fields.get(index).getName()), constructor.getGenericParameterTypes()[index]);
            }
            open(constructor);
            try {
                return constructor.newInstance(arguments);
            } catch (InvocationTargetException error) {
                throw new IllegalArgumentException("the constructor of " + raw.getName() + " failed", error.getCause());
            } catch (ReflectiveOperationException error) {
                throw new IllegalArgumentException(error.toString(), error);
            }
        }
        throw new IllegalArgumentException(raw.getName() + " has neither a default constructor nor one that follows its fields");
    }

    /** Whether the parameters are as many as the fields; their types may differ, as with dates of text. */
    private static boolean follows(Constructor<?> constructor, List<Field> fields) {
        Class<?>[] parameters = constructor.getParameterTypes();
        if (parameters.length != fields.size()) {
            return false;
        }
        for (int index = 0; index < parameters.length; index++) {
            if (parameters[index] != fields.get(index).getType() && parameters[index] != String.class) {
                return false;
            }
        }
        return true;
    }

    private static Object member(Map<?, ?> value, String name) {
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            if (matches(name, String.valueOf(entry.getKey()))) {
                return entry.getValue();
            }
        }
        return null;
    }

    private static Constructor<?> emptyConstructor(Class<?> raw) {
        try {
            return raw.getDeclaredConstructor();
        } catch (NoSuchMethodException error) {
            return null;
        }
    }

    private static Object create(Class<?> raw) {
        try {
            Constructor<?> constructor = raw.getDeclaredConstructor();
            open(constructor);
            return constructor.newInstance();
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("the constructor of " + raw.getName() + " failed", error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("cannot make a " + raw.getName() + ": " + error, error);
        }
    }

    /** Members of the user's classes need not be public; those of the JDK stay closed. */
    private static void open(AccessibleObject member) {
        try {
            member.setAccessible(true);
        } catch (RuntimeException error) {
            // Then its use fails with its own message.
        }
    }
}

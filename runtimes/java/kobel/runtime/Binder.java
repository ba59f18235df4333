package kobel.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
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
 * Makes objects of a wanted type out of what {@link JsonReader} read, with the rules that Lambda sets for Jackson:
 * unknown members are ignored, an array of one stands for its item and the other way round, an empty text or array is
 * no object, and texts are taken for numbers.
 *
 * <p>Records, and AWS's events without a default constructor, are made by the constructor whose parameters follow
 * the fields.
 */
final class Binder {
    private Binder() {}

    static Object bind(Object value, Type type) {
        Class<?> raw = raw(type);
        if (value == null) {
            return nothing(raw);
        }
        if (raw == Object.class || raw == value.getClass()) {
            return value;
        }
        if (raw == Optional.class) {
            return Optional.ofNullable(bind(value, argument(type, 0)));
        }
        boolean many = Collection.class.isAssignableFrom(raw);
        if (many || raw.isArray()) {
            return several(value, type, raw, many);
        }
        if (value instanceof List) {
            List<?> list = (List<?>) value;
            if (list.size() > 1) {
                throw Scalars.wrong(value, raw);
            }
            return list.isEmpty() ? nothing(raw) : bind(list.get(0), type);
        }
        if ("".equals(value) && !CharSequence.class.isAssignableFrom(raw)) {
            return nothing(raw);
        }
        boolean scalar = Scalars.isScalar(raw) && !Map.class.isAssignableFrom(raw);
        if (value instanceof Map == scalar) {
            throw Scalars.wrong(value, raw);
        }
        if (scalar) {
            return Scalars.make(value, raw);
        }
        return Map.class.isAssignableFrom(raw) ? map((Map<?, ?>) value, type, raw) : bean((Map<?, ?>) value, raw);
    }

    private static Object nothing(Class<?> raw) {
        if (raw.isPrimitive() && raw != void.class) {
            return Array.get(Array.newInstance(raw, 1), 0);
        }
        return raw == Optional.class ? Optional.empty() : null;
    }

    private static Object several(Object value, Type type, Class<?> raw, boolean collection) {
        if (value instanceof String && raw == byte[].class) {
            return Base64.getDecoder().decode((String) value);
        }
        if (value instanceof String && raw == char[].class) {
            return ((String) value).toCharArray();
        }
        if ("".equals(value)) {
            return null;
        }
        List<?> items = value instanceof List ? (List<?>) value : Collections.singletonList(value);
        return collection ? collection(items, type, raw) : array(items, type, raw);
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

    private static Object array(List<?> list, Type type, Class<?> raw) {
        Type part = type instanceof GenericArrayType ? ((GenericArrayType) type).getGenericComponentType() : raw.getComponentType();
        Object array = Array.newInstance(raw.getComponentType(), list.size());
        for (int index = 0; index < list.size(); index++) {
            Array.set(array, index, bind(list.get(index), part));
        }
        return array;
    }

    private static Object bean(Map<?, ?> value, Class<?> raw) {
        boolean fixed = Properties.isRecord(raw) || Properties.isEvent(raw) && !hasEmptyConstructor(raw);
        if (fixed) {
            return byConstructor(value, raw);
        }
        Object bean = create(raw);
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            Properties.Property property = Properties.of(raw).named(String.valueOf(entry.getKey()));
            if (property != null) {
                set(bean, property, entry.getValue());
            }
        }
        return bean;
    }

    private static void set(Object bean, Properties.Property property, Object value) {
        try {
            if (property.setter != null) {
                property.setter.invoke(bean, valueFor(bean, value, property.setter.getGenericParameterTypes()[0]));
            } else if (property.field != null) {
                property.field.set(bean, valueFor(bean, value, property.field.getGenericType()));
            }
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("the setter of " + property.name + " failed: " + error.getCause(), error.getCause());
        } catch (IllegalAccessException error) {
            throw new IllegalArgumentException(error.toString(), error);
        }
    }

    /** Events of streams have their times in seconds. */
    private static Object valueFor(Object bean, Object value, Type type) {
        if (type == Date.class && value instanceof Number && Properties.isEvent(bean.getClass())) {
            return new Date((long) (((Number) value).doubleValue() * 1000));
        }
        return bind(value, type);
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
                arguments[index] = bind(member(value, fields.get(index).getName(), raw), constructor.getGenericParameterTypes()[index]);
            }
            Properties.open(constructor);
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

    private static Object member(Map<?, ?> value, String name, Class<?> raw) {
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            String key = String.valueOf(entry.getKey());
            if (name.equals(key) || Properties.isEvent(raw) && Properties.means(name, key)) {
                return entry.getValue();
            }
        }
        return null;
    }

    private static boolean hasEmptyConstructor(Class<?> raw) {
        try {
            raw.getDeclaredConstructor();
            return true;
        } catch (NoSuchMethodException error) {
            return false;
        }
    }

    private static Object create(Class<?> raw) {
        try {
            Constructor<?> constructor = raw.getDeclaredConstructor();
            Properties.open(constructor);
            return constructor.newInstance();
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("the constructor of " + raw.getName() + " failed", error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("cannot make a " + raw.getName() + ": " + error, error);
        }
    }
}

package kobel.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What a class has to be read from and written as JSON, by the rules that Lambda sets for it: public getters and
 * fields, setters of any visibility, names as {@code java.beans.Introspector} makes them, and the order of the
 * fields.
 */
final class Properties {
    /** One member of the JSON object. */
    static final class Property {
        final String name;
        /** Null where it can't be read so. */
        Method getter;
        /** Null where it can't be set so. */
        Method setter;
        /** Null unless it may be used. */
        Field field;

        Property(String name) {
            this.name = name;
        }

        boolean isWritten() {
            return getter != null || field != null && Modifier.isPublic(field.getModifiers());
        }
    }

    /** The classes of AWS's library of events, whose names differ from those in the events. */
    private static final String[] EVENT_PACKAGES = {
        "com.amazonaws.services.lambda.runtime.events.", "com.amazonaws.services.s3.event.", "com.amazonaws.services.dynamodbv2.model."
    };

    private static final Map<Class<?>, Properties> KNOWN = new ConcurrentHashMap<>();

    private final Map<String, Property> byName = new LinkedHashMap<>();
    private final boolean ofEvent;

    private Properties(Class<?> type) {
        ofEvent = isEvent(type);
        for (Class<?> at : upwards(type)) {
            for (Field field : at.getDeclaredFields()) {
                addField(field);
            }
        }
        for (Class<?> at = type; at != null && at != Object.class; at = at.getSuperclass()) {
            for (Method method : at.getDeclaredMethods()) {
                addSetter(method);
            }
        }
        for (Method method : type.getMethods()) {
            addGetter(method);
        }
    }

    static Properties of(Class<?> type) {
        return KNOWN.computeIfAbsent(type, Properties::new);
    }

    static boolean isEvent(Class<?> type) {
        for (String start : EVENT_PACKAGES) {
            if (type.getName().startsWith(start)) {
                return true;
            }
        }
        return false;
    }

    static boolean isRecord(Class<?> type) {
        return type.getSuperclass() != null && type.getSuperclass().getName().equals("java.lang.Record");
    }

    /** Members of the user's classes need not be public; those of the JDK stay closed. */
    static void open(AccessibleObject member) {
        try {
            member.setAccessible(true);
        } catch (RuntimeException error) {
            // Then its use fails with its own message.
        }
    }

    Iterable<Property> all() {
        return byName.values();
    }

    /** The property that a member of the JSON object means; null where there is none. */
    Property named(String name) {
        Property exact = byName.get(name);
        if (exact != null || !ofEvent) {
            return exact;
        }
        for (Property property : byName.values()) {
            if (means(property.name, name)) {
                return property;
            }
        }
        return null;
    }

    /** Whether a member of an event ({@code detail-type}) is what a class of events calls so ({@code detailType}). */
    static boolean means(String property, String name) {
        return property.equalsIgnoreCase(name.replace("-", ""));
    }

    private static Deque<Class<?>> upwards(Class<?> type) {
        Deque<Class<?>> classes = new ArrayDeque<>();
        for (Class<?> at = type; at != null && at != Object.class; at = at.getSuperclass()) {
            classes.push(at);
        }
        return classes;
    }

    private Property property(String name) {
        return byName.computeIfAbsent(name, Property::new);
    }

    private void addField(Field field) {
        int modifiers = field.getModifiers();
        if (Modifier.isStatic(modifiers) || Modifier.isTransient(modifiers) || field.isSynthetic()) {
            return;
        }
        Property property = property(field.getName());
        if (Modifier.isPublic(modifiers) || ofEvent) {
            open(field);
            property.field = field;
        }
    }

    private void addSetter(Method method) {
        boolean fits = method.getParameterCount() == 1 && method.getName().startsWith("set") && method.getName().length() > 3
                && !Modifier.isStatic(method.getModifiers()) && !method.isBridge();
        if (!fits) {
            return;
        }
        Property property = property(decapitalized(method.getName().substring(3)));
        if (property.setter == null || rank(method) > rank(property.setter)) {
            open(method);
            property.setter = method;
        }
    }

    /** Of several setters the one of a primitive wins, then the one of a text. */
    private static int rank(Method setter) {
        Class<?> type = setter.getParameterTypes()[0];
        return type.isPrimitive() ? 2 : type == String.class ? 1 : 0;
    }

    private void addGetter(Method method) {
        boolean fits = method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers()) && !method.isBridge()
                && method.getReturnType() != void.class && method.getDeclaringClass() != Object.class;
        String name = fits ? nameOfGetter(method) : null;
        if (name == null) {
            return;
        }
        open(method);
        property(name).getter = method;
    }

    private String nameOfGetter(Method method) {
        String name = method.getName();
        if (name.startsWith("get") && name.length() > 3) {
            return decapitalized(name.substring(3));
        }
        Class<?> type = method.getReturnType();
        if (name.startsWith("is") && name.length() > 2 && (type == boolean.class || type == Boolean.class)) {
            return decapitalized(name.substring(2));
        }
        return isRecord(method.getDeclaringClass()) && byName.containsKey(name) ? name : null;
    }

    /** {@code Name} is {@code name}, but {@code URL} stays. */
    private static String decapitalized(String name) {
        boolean abbreviation = name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1));
        return abbreviation ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }
}

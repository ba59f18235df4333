package kobel.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.ServiceLoader;

/** Finds what a handler setting names, and makes one kind of handler out of all. */
final class Handlers {
    /** From the event's bytes to the response's. */
    interface Handler {
        byte[] handle(byte[] event, Context context) throws Throwable;
    }

    private Handlers() {}

    /** {@code package.Class} or {@code package.Class::method}. */
    static Handler load(String setting) throws Throwable {
        int separator = setting.indexOf("::");
        String className = separator < 0 ? setting : setting.substring(0, separator);
        String methodName = separator < 0 ? null : setting.substring(separator + 2);
        Class<?> type = find(className);
        boolean named = methodName == null || methodName.equals("handleRequest");
        if (named && RequestStreamHandler.class.isAssignableFrom(type)) {
            return stream((RequestStreamHandler) create(type));
        }
        if (named && RequestHandler.class.isAssignableFrom(type)) {
            return request(type);
        }
        if (methodName == null) {
            throw new NoSuchMethodException("Class " + className + " does not implement an appropriate handler interface");
        }
        return method(type, methodName);
    }

    private static Class<?> find(String name) throws ClassNotFoundException {
        try {
            return Class.forName(name, true, ClassLoader.getSystemClassLoader());
        } catch (ClassNotFoundException error) {
            throw new ClassNotFoundException("Class not found: " + name);
        }
    }

    private static Object create(Class<?> type) throws Throwable {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException error) {
            throw new NoSuchMethodException("Class " + type.getName() + " has no public zero-argument constructor");
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    private static Handler stream(RequestStreamHandler handler) {
        return (event, context) -> {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            handler.handleRequest(new ByteArrayInputStream(event), output, context);
            return output.toByteArray();
        };
    }

    @SuppressWarnings("unchecked")
    private static Handler request(Class<?> type) throws Throwable {
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) create(type);
        Type[] types = arguments(type, RequestHandler.class);
        Codec codec = new Codec(types[0], types[1]);
        return (event, context) -> codec.write(handler.handleRequest(codec.read(event), context));
    }

    /** Any public method: of nothing, the event, the context, or both; or of two streams. */
    private static Handler method(Class<?> type, String name) throws Throwable {
        Method method = choose(type, name);
        Object target = Modifier.isStatic(method.getModifiers()) ? null : create(type);
        method.setAccessible(true);
        Class<?>[] parameters = method.getParameterTypes();
        Type input = Object.class;
        for (int index = 0; index < parameters.length; index++) {
            if (parameters[index] != Context.class) {
                input = method.getGenericParameterTypes()[index];
                break;
            }
        }
        Codec codec = new Codec(input, method.getGenericReturnType());
        return (event, context) -> {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            boolean streams = false;
            Object[] arguments = new Object[parameters.length];
            for (int index = 0; index < parameters.length; index++) {
                if (parameters[index] == Context.class) {
                    arguments[index] = context;
                } else if (parameters[index] == InputStream.class) {
                    arguments[index] = new ByteArrayInputStream(event);
                } else if (parameters[index] == OutputStream.class) {
                    arguments[index] = output;
                    streams = true;
                } else {
                    arguments[index] = codec.read(event);
                }
            }
            try {
                Object result = method.invoke(target, arguments);
                return streams ? output.toByteArray() : codec.write(result);
            } catch (InvocationTargetException error) {
                throw error.getCause();
            }
        };
    }

    /** The method with the most parameters, the one with a context first, as Lambda chooses. */
    private static Method choose(Class<?> type, String name) throws NoSuchMethodException {
        Method chosen = null;
        for (Method method : type.getMethods()) {
            if (!method.getName().equals(name) || method.isBridge() || !isHandler(method)) {
                continue;
            }
            if (chosen == null || method.getParameterCount() > chosen.getParameterCount()) {
                chosen = method;
            }
        }
        if (chosen == null) {
            throw new NoSuchMethodException("No public method named " + name
                    + " with appropriate method signature found on class " + type.getName());
        }
        return chosen;
    }

    private static boolean isHandler(Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        int last = parameters.length - 1;
        int events = last >= 0 && parameters[last] == Context.class ? last : parameters.length;
        return events <= 1 || events == 2 && parameters[0] == InputStream.class && parameters[1] == OutputStream.class;
    }

    /** What a class puts for the type parameters of an interface, however far up it is. */
    private static Type[] arguments(Class<?> type, Class<?> wanted) {
        Map<TypeVariable<?>, Type> known = new HashMap<>();
        Type[] found = search(type, wanted, known);
        return found == null ? new Type[] {Object.class, Object.class} : found;
    }

    private static Type[] search(Type type, Class<?> wanted, Map<TypeVariable<?>, Type> known) {
        if (type == null) {
            return null;
        }
        Class<?> raw = Binder.raw(type);
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            for (int index = 0; index < arguments.length; index++) {
                known.put(raw.getTypeParameters()[index], known.getOrDefault(arguments[index], arguments[index]));
            }
        }
        if (raw == wanted) {
            TypeVariable<?>[] parameters = raw.getTypeParameters();
            Type[] arguments = new Type[parameters.length];
            for (int index = 0; index < parameters.length; index++) {
                arguments[index] = known.getOrDefault(parameters[index], Object.class);
            }
            return arguments;
        }
        for (Type parent : raw.getGenericInterfaces()) {
            Type[] found = search(parent, wanted, known);
            if (found != null) {
                return found;
            }
        }
        return search(raw.getGenericSuperclass(), wanted, known);
    }

    /** Between bytes and objects: the function's own serializer if it brings one, else ours. */
    private static final class Codec {
        private final Type input;
        private final Type output;
        private final CustomPojoSerializer custom;

        Codec(Type input, Type output) {
            this.input = input;
            this.output = output;
            Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class).iterator();
            this.custom = found.hasNext() ? found.next() : null;
        }

        Object read(byte[] event) {
            if (custom != null && input != String.class) {
                return custom.fromJson(new ByteArrayInputStream(event), input);
            }
            try {
                return Binder.bind(JsonReader.read(event), input);
            } catch (RuntimeException error) {
                throw new RuntimeException("An error occurred during JSON parsing", error);
            }
        }

        byte[] write(Object result) {
            if (custom != null && result != null) {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                custom.toJson(result, bytes, output);
                return bytes.toByteArray();
            }
            try {
                return JsonWriter.write(result).getBytes(StandardCharsets.UTF_8);
            } catch (RuntimeException error) {
                throw new RuntimeException("An error occurred during JSON serialization of response", error);
            }
        }
    }
}

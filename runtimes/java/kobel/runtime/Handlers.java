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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/** Finds what a handler setting names, and makes one kind of handler out of all. */
final class Handlers {
    /** From the event's bytes to the response's. */
    interface Handler {
        byte[] handle(byte[] event, Context context) throws Throwable;
    }

    private Handlers() {}

    /**
     * {@code package.Class} or {@code package.Class::method}. What is wrong with either is told to the first caller;
     * code that fails when it is loaded fails the init.
     */
    static Handler load(String setting) throws Throwable {
        try {
            return find(setting);
        } catch (Fault fault) {
            if (fault.fatal) {
                throw fault;
            }
            return (event, context) -> {
                throw fault;
            };
        }
    }

    private static Handler find(String setting) throws Throwable {
        int separator = setting.lastIndexOf("::");
        String className = separator < 0 ? setting : setting.substring(0, separator);
        String methodName = separator < 0 ? null : setting.substring(separator + 2);
        if (className.isEmpty() || "".equals(methodName)) {
            throw Fault.of("Invalid handler: `" + setting + "'");
        }
        Class<?> type = classOf(className);
        if (methodName != null && !(methodName.equals("handleRequest") && isHandler(type))) {
            return method(type, methodName);
        }
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            return stream((RequestStreamHandler) create(type));
        }
        if (RequestHandler.class.isAssignableFrom(type)) {
            return request(type);
        }
        throw Fault.of("Class does not implement an appropriate handler interface: " + className);
    }

    private static boolean isHandler(Class<?> type) {
        return RequestHandler.class.isAssignableFrom(type) || RequestStreamHandler.class.isAssignableFrom(type);
    }

    private static Class<?> classOf(String name) {
        try {
            return Class.forName(name, true, ClassLoader.getSystemClassLoader());
        } catch (ClassNotFoundException error) {
            throw Fault.of("Class not found: " + name, error, false);
        } catch (Throwable error) {
            String why = error.getMessage() == null ? "" : ": " + error.getMessage();
            throw Fault.of("Error loading class " + name + why, error, true);
        }
    }

    private static Object create(Class<?> type) throws Throwable {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException error) {
            boolean inner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            String why = inner ? " cannot be instantiated because it is a non-static inner class" : " has no public zero-argument constructor";
            throw Fault.of(new Exception("Class " + type.getName() + why), false);
        } catch (InvocationTargetException error) {
            throw Fault.of(error.getCause(), true);
        } catch (ReflectiveOperationException error) {
            throw Fault.of(error, false);
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
        if (types == null) {
            throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        Codec codec = new Codec(types[0], types[1]);
        return (event, context) -> codec.write(handler.handleRequest(codec.read(event), context));
    }

    /** Any public method: of nothing, the event, the context, or both; or of one or two streams. */
    private static Handler method(Class<?> type, String name) throws Throwable {
        Method method = choose(type, name);
        Object target = Modifier.isStatic(method.getModifiers()) ? null : create(type);
        method.setAccessible(true);
        Class<?>[] parameters = method.getParameterTypes();
        boolean streams = parameters.length > 0 && isStream(parameters[0]);
        boolean typed = parameters.length > 0 && !streams && parameters[0] != Context.class;
        Codec codec = new Codec(typed ? method.getGenericParameterTypes()[0] : Object.class, method.getGenericReturnType());
        return (event, context) -> {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            Object[] arguments = new Object[parameters.length];
            for (int index = 0; index < parameters.length; index++) {
                if (parameters[index] == Context.class) {
                    arguments[index] = context;
                } else if (parameters[index] == InputStream.class) {
                    arguments[index] = new ByteArrayInputStream(event);
                } else {
                    arguments[index] = parameters[index] == OutputStream.class ? output : codec.read(event);
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

    /** The longest signature, one with a context before others, as Lambda chooses; bridges last. */
    private static Method choose(Class<?> type, String name) {
        List<Method> methods = new ArrayList<>();
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name)) {
                methods.add(method);
            }
        }
        methods.sort(Comparator.comparing(Method::isBridge).thenComparing(method -> -lengthOf(method)));
        for (Method method : methods) {
            String flaw = flawOf(method.getParameterTypes());
            if (flaw == null) {
                return method;
            }
            System.err.println("Ignoring an overload of " + name + ": " + flaw);
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + type.getName());
    }

    private static int lengthOf(Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        int last = parameters.length - 1;
        return last >= 0 && parameters[last] == Context.class ? parameters.length + 1 : parameters.length;
    }

    private static boolean isStream(Class<?> type) {
        return type == InputStream.class || type == OutputStream.class;
    }

    /** Why Lambda can't call a method of these parameters; null where it can. */
    private static String flawOf(Class<?>[] parameters) {
        if (parameters.length < 2) {
            return null;
        }
        Class<?> last = parameters[parameters.length - 1];
        boolean bothStreams = parameters[0] == InputStream.class && parameters[1] == OutputStream.class;
        if (parameters.length == 2 && (bothStreams || last == Context.class && parameters[0] != Context.class)) {
            return null;
        }
        if (parameters.length == 3 && bothStreams && last == Context.class) {
            return null;
        }
        return parameters.length > 3 ? "it has more than three parameters" : "its parameters are not an event and a context, or streams";
    }

    /** What a class puts for the type parameters of an interface, however far up it is; null where it puts none. */
    private static Type[] arguments(Class<?> type, Class<?> wanted) {
        Map<TypeVariable<?>, Type> known = new HashMap<>();
        return search(type, wanted, known);
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
            if (!(type instanceof ParameterizedType)) {
                return null;
            }
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
            if (custom != null && result != null && output != void.class) {
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

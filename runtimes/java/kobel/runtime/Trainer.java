package kobel.runtime;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * Loads what an archive of classes shall hold: this runtime by using it, and all classes of the class path. No class of the
 * function is initialised, so none of its code runs. The JVM writes the archive when it ends.
 */
public final class Trainer {
    private static final int CLASSES_MAX = 30000;
    private static final String CLASS = ".class";

    private Trainer() {}

    /** A handler like any other. */
    public static Map<String, Object> echo(Map<String, Object> event) {
        if (event.containsKey("fail")) {
            throw new IllegalStateException("on purpose");
        }
        return event;
    }

    public static void main(String[] arguments) throws Throwable {
        useRuntime();
        String[] path = System.getProperty("java.class.path").split(File.pathSeparator);
        int left = CLASSES_MAX;
        for (String jar : path) {
            left = load(jar, left);
        }
        System.exit(0);
    }

    private static void useRuntime() throws Throwable {
        // The function's serializer would be made, if it could be found.
        Thread.currentThread().setContextClassLoader(ClassLoader.getSystemClassLoader().getParent());
        // It is not spoken on.
        new Channel(0);
        Handlers.Handler handler = Handlers.load(Trainer.class.getName() + "::echo");
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("requestId", "id");
        header.put("deadlineMs", 1L);
        String event = "{\"text\":\"a\",\"list\":[1,2.5,true,null,{\"deep\":{}}]}";
        handler.handle(event.getBytes(StandardCharsets.UTF_8), new InvocationContext(header));
        try {
            handler.handle("{\"fail\":1}".getBytes(StandardCharsets.UTF_8), new InvocationContext(header));
        } catch (Throwable error) {
            Failure.trim(error);
            JsonWriter.write(Failure.describe(error));
            Failure.text(error);
        }
        JsonWriter.write(Collections.singletonMap("requestId", "id"));
        Class.forName("kobel.runtime.Bootstrap");
    }

    /** Loads the classes of a jar; gives how many more may be loaded. */
    private static int load(String file, int left) {
        ClassLoader loader = ClassLoader.getSystemClassLoader();
        try (JarFile jar = new JarFile(file)) {
            for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements() && left > 0; ) {
                String name = entries.nextElement().getName();
                if (!name.endsWith(CLASS) || name.startsWith("META-INF/") || name.endsWith("module-info.class")) {
                    continue;
                }
                left--;
                try {
                    Class.forName(name.substring(0, name.length() - CLASS.length()).replace('/', '.'), false, loader);
                } catch (Throwable error) {
                    // It needs what is not there, and cannot be used anyway.
                }
            }
        } catch (java.io.IOException error) {
            System.err.println(file + ": " + error.getMessage());
        }
        return left;
    }
}

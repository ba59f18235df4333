package kobel.runtime;

import com.amazonaws.services.lambda.crac.Core;

/** SnapStart: the hooks that functions have registered by {@code org.crac}. A JVM cannot be forked, so both kinds run in its own init. */
final class Snapshot {
    private static final String COMPATIBLE = "org.crac.Core.Compat";

    private Snapshot() {}

    /** Call it before the function's code is loaded. */
    static void offerHooks() {
        if (System.getProperty(COMPATIBLE) == null) {
            System.setProperty(COMPATIBLE, Core.class.getPackage().getName());
        }
    }

    static boolean isAsked() {
        return "snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"));
    }

    static void runHooksBefore() throws Exception {
        Core.getGlobalContext().beforeCheckpoint(null);
    }

    static void runHooksAfter() throws Exception {
        Core.getGlobalContext().afterRestore(null);
    }
}

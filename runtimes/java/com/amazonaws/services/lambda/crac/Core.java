package com.amazonaws.services.lambda.crac;

/** Where functions with SnapStart register their hooks; {@code org.crac.Core} leads here. */
public final class Core {
    private static final Context<Resource> GLOBAL = new GlobalContext();

    private Core() {}

    public static Context<Resource> getGlobalContext() {
        return GLOBAL;
    }

    /** Functions are snapshot when they are published, not when they ask for it. */
    public static void checkpointRestore() {
        throw new UnsupportedOperationException();
    }
}

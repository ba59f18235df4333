package kobel.runtime;

/** Something that is wrong with the function's code itself; AWS tells of it without a stack. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The class of the exception; null where Lambda names none. */
    final transient Throwable origin;
    /** The environment cannot go on. */
    final boolean fatal;

    private Fault(String message, Throwable origin, boolean fatal) {
        super(message, null, false, false);
        this.origin = origin;
        this.fatal = fatal;
    }

    static Fault of(String message) {
        return new Fault(message, null, false);
    }

    static Fault of(Throwable origin, boolean fatal) {
        return new Fault(Failure.message(origin), origin, fatal);
    }

    static Fault of(String message, Throwable origin, boolean fatal) {
        return new Fault(message, origin, fatal);
    }
}

package com.amazonaws.services.lambda.crac;

/** Resources failed after a snapshot was restored: what they threw is suppressed by this. */
public class RestoreException extends Exception {
    private static final long serialVersionUID = 1L;

    public RestoreException() {}

    public RestoreException(String message) {
        super(message);
    }
}

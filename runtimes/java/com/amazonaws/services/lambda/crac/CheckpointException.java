package com.amazonaws.services.lambda.crac;

/** Resources failed before a snapshot: what they threw is suppressed by this. */
public class CheckpointException extends Exception {
    private static final long serialVersionUID = 1L;

    public CheckpointException() {}

    public CheckpointException(String message) {
        super(message);
    }
}

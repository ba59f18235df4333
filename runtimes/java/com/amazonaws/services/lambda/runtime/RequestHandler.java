package com.amazonaws.services.lambda.runtime;

/** A handler of objects: the runtime reads and writes the JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}

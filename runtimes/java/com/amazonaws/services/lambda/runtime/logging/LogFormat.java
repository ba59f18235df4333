package com.amazonaws.services.lambda.runtime.logging;

/** The format of a function's log. */
public enum LogFormat {
    JSON,
    TEXT;

    public static LogFormat fromString(String name) {
        for (LogFormat format : values()) {
            if (format.name().equalsIgnoreCase(name)) {
                return format;
            }
        }
        throw new IllegalArgumentException("Invalid log format: '" + name + "' expected one of [JSON, TEXT]");
    }
}

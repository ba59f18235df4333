package com.amazonaws.services.lambda.crac;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;

/** The context of the whole runtime: the resource that was registered last is told of a snapshot first, and of the restoring last. */
final class GlobalContext extends Context<Resource> {
    /** With the order in which they were registered. */
    private final Map<Resource, Long> resources = new WeakHashMap<>();
    private long registered;

    @Override
    public synchronized void register(Resource resource) {
        resources.put(resource, registered++);
    }

    @Override
    public void beforeCheckpoint(Context<? extends Resource> context) throws CheckpointException {
        CheckpointException failure = new CheckpointException();
        List<Resource> told = inOrder();
        Collections.reverse(told);
        for (Resource resource : told) {
            try {
                resource.beforeCheckpoint(this);
            } catch (CheckpointException error) {
                adopt(failure, error);
            } catch (Exception error) {
                failure.addSuppressed(error);
            }
        }
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    @Override
    public void afterRestore(Context<? extends Resource> context) throws RestoreException {
        RestoreException failure = new RestoreException();
        for (Resource resource : inOrder()) {
            try {
                resource.afterRestore(this);
            } catch (RestoreException error) {
                adopt(failure, error);
            } catch (Exception error) {
                failure.addSuppressed(error);
            }
        }
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    private static void adopt(Exception failure, Exception error) {
        for (Throwable suppressed : error.getSuppressed()) {
            failure.addSuppressed(suppressed);
        }
        if (error.getSuppressed().length == 0) {
            failure.addSuppressed(error);
        }
    }

    private synchronized List<Resource> inOrder() {
        List<Map.Entry<Resource, Long>> entries = new ArrayList<>(resources.entrySet());
        entries.sort(Map.Entry.comparingByValue());
        List<Resource> ordered = new ArrayList<>();
        for (Map.Entry<Resource, Long> entry : entries) {
            ordered.add(entry.getKey());
        }
        return ordered;
    }
}

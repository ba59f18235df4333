package com.amazonaws.services.lambda.runtime.events;

import java.time.OffsetDateTime;
import java.util.List;

/** Stands in for the class of AWS's library of events: made by constructors, with a time made of a text. */
public class S3Event {
    private final List<Entry> records;

    public S3Event(List<Entry> records) {
        this.records = records;
    }

    public List<Entry> getRecords() {
        return records;
    }

    public static class Entry {
        private final String eventName;
        private OffsetDateTime eventTime;
        private final Subject s3;

        public Entry(String eventName, String eventTime, Subject s3) {
            this.eventName = eventName;
            this.eventTime = OffsetDateTime.parse(eventTime);
            this.s3 = s3;
        }

        public String getEventName() {
            return eventName;
        }

        public OffsetDateTime getEventTime() {
            return eventTime;
        }

        public Subject getS3() {
            return s3;
        }
    }

    public static class Subject {
        private final String key;
        private final Long size;
        private final String xAmzId2;

        public Subject(String key, Long size, String xAmzId2) {
            this.key = key;
            this.size = size;
            this.xAmzId2 = xAmzId2;
        }

        public String getxAmzId2() {
            return xAmzId2;
        }

        public String getKey() {
            return key;
        }

        public Long getSize() {
            return size;
        }
    }
}

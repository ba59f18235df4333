package kobel.runtime;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.BufferedInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Length-framed messages with the host over an inherited socket: {@code length: u32},
 * {@code kind: u8}, {@code header length: u32}, a JSON header, a body; numbers are big endian.
 */
final class Channel {
    static final int READY = 'I';
    static final int INIT_ERROR = 'F';
    static final int INVOKE = 'V';
    static final int RESPONSE = 'R';
    static final int ERROR = 'E';

    /** A message from the host. */
    static final class Message {
        final int kind;
        final Map<?, ?> header;
        final byte[] body;

        Message(int kind, Map<?, ?> header, byte[] body) {
            this.kind = kind;
            this.header = header;
            this.body = body;
        }
    }

    private final DataInputStream input;
    private final FileOutputStream output;

    Channel(int number) throws ReflectiveOperationException {
        FileDescriptor descriptor = describe(number);
        input = new DataInputStream(new BufferedInputStream(new FileInputStream(descriptor), 65536));
        output = new FileOutputStream(descriptor);
    }

    /**
     * By {@code sun.misc.Unsafe}, which this is compiled without: opening {@code java.io} to this class by a setting of the
     * JVM would keep it from using archives of classes.
     */
    private static FileDescriptor describe(int number) throws ReflectiveOperationException {
        Class<?> type = Class.forName("sun.misc.Unsafe");
        Field instance = type.getDeclaredField("theUnsafe");
        instance.setAccessible(true);
        Object unsafe = instance.get(null);
        Field field = FileDescriptor.class.getDeclaredField("fd");
        Object offset = type.getMethod("objectFieldOffset", Field.class).invoke(unsafe, field);
        FileDescriptor descriptor = new FileDescriptor();
        type.getMethod("putInt", Object.class, long.class, int.class).invoke(unsafe, descriptor, offset, number);
        return descriptor;
    }

    Message receive() throws IOException {
        int length = input.readInt();
        int kind = input.readUnsignedByte();
        byte[] header = new byte[input.readInt()];
        input.readFully(header);
        byte[] body = new byte[length - 5 - header.length];
        input.readFully(body);
        return new Message(kind, (Map<?, ?>) JsonReader.read(header), body);
    }

    synchronized void send(int kind, Map<String, ?> header, byte[] body) throws IOException {
        byte[] head = JsonWriter.write(header).getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream frame = new ByteArrayOutputStream(9 + head.length + body.length);
        DataOutputStream data = new DataOutputStream(frame);
        data.writeInt(5 + head.length + body.length);
        data.writeByte(kind);
        data.writeInt(head.length);
        data.write(head);
        data.write(body);
        output.write(frame.toByteArray());
    }
}

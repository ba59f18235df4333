using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Kobel.Lambda
{
    /// <summary>A message from the host.</summary>
    internal sealed class Message
    {
        public char Kind;
        public Dictionary<string, object> Header;
        public byte[] Body;
    }

    /// <summary>
    /// Length-framed messages with the host over an inherited socket: <c>length: u32</c>, <c>kind: u8</c>,
    /// <c>header length: u32</c>, a JSON header, a body; numbers are big endian.
    /// </summary>
    internal sealed class Channel
    {
        public const char Ready = 'I';
        public const char InitError = 'F';
        public const char Invoke = 'V';
        public const char Response = 'R';
        public const char Error = 'E';

        private const int PrefixBytes = 9;
        private const int SetDescriptorFlags = 2;
        private const int CloseOnExec = 1;

        private readonly FileStream _stream;

        public Channel(int descriptor)
        {
            // Programs that the function starts must not get hold of it.
            fcntl(descriptor, SetDescriptorFlags, CloseOnExec);
            _stream = new FileStream(new SafeFileHandle((IntPtr)descriptor, true), FileAccess.ReadWrite, 1, false);
        }

        /// <summary>The next message; null when the host is gone.</summary>
        public Message Receive()
        {
            byte[] prefix = Read(PrefixBytes);
            if (prefix == null)
            {
                return null;
            }
            int length = Number(prefix, 0);
            byte[] header = Read(Number(prefix, 5));
            byte[] body = header == null ? null : Read(length - 5 - header.Length);
            if (body == null)
            {
                return null;
            }
            var parsed = Json.Read(Encoding.UTF8.GetString(header)) as Dictionary<string, object>;
            return new Message { Kind = (char)prefix[4], Header = parsed, Body = body };
        }

        /// <summary>
        /// Sends a message; answers name the invocation that they are of, errors their type. What is null is left out.
        /// </summary>
        public void Send(char kind, string requestId, string errorType, byte[] body)
        {
            byte[] head = Encoding.UTF8.GetBytes(Header(requestId, errorType));
            var frame = new byte[PrefixBytes + head.Length + body.Length];
            Put(frame, 0, 5 + head.Length + body.Length);
            frame[4] = (byte)kind;
            Put(frame, 5, head.Length);
            Buffer.BlockCopy(head, 0, frame, PrefixBytes, head.Length);
            Buffer.BlockCopy(body, 0, frame, PrefixBytes + head.Length, body.Length);
            _stream.Write(frame, 0, frame.Length);
            _stream.Flush();
        }

        private static string Header(string requestId, string errorType)
        {
            var json = new StringBuilder("{");
            if (requestId != null)
            {
                json.Append("\"requestId\":");
                Json.Quote(json, requestId);
            }
            if (errorType != null)
            {
                json.Append(requestId == null ? "" : ",").Append("\"errorType\":");
                Json.Quote(json, errorType);
            }
            return json.Append('}').ToString();
        }

        private byte[] Read(int count)
        {
            var bytes = new byte[count];
            for (int at = 0; at < count;)
            {
                int got = _stream.Read(bytes, at, count - at);
                if (got <= 0)
                {
                    return null;
                }
                at += got;
            }
            return bytes;
        }

        private static int Number(byte[] bytes, int at)
        {
            return bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
        }

        private static void Put(byte[] bytes, int at, int number)
        {
            for (int index = 0; index < 4; index++)
            {
                bytes[at + index] = (byte)(number >> (24 - 8 * index));
            }
        }

        [DllImport("libc")]
        private static extern int fcntl(int descriptor, int command, int argument);
    }
}

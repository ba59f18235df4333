using System;
using System.Collections.Generic;
using System.Text;

namespace Kobel.Lambda
{
    /// <summary>Something about the handler's setting or signature that Lambda refuses.</summary>
    public sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string message) : base(message)
        {
        }
    }

    /// <summary>Error objects as Lambda's .NET runtime gives them.</summary>
    internal static class Failure
    {
        /// <summary>The most causes of causes that are told.</summary>
        private const int CausesMax = 16;

        public static string Describe(Exception error)
        {
            var json = new StringBuilder();
            Describe(json, error, CausesMax);
            return json.ToString();
        }

        /// <summary>For the log: the type, the message and the frames of the function's code, causes included.</summary>
        public static string Text(Exception error)
        {
            var text = new StringBuilder();
            Exception at = error;
            for (int left = CausesMax; at != null && left > 0; at = at.InnerException, left--)
            {
                text.Append(text.Length == 0 ? "" : "\n ---> ").Append(at.GetType().FullName).Append(": ").Append(at.Message);
                foreach (string frame in Frames(at))
                {
                    text.Append("\n   ").Append(frame);
                }
            }
            return text.ToString();
        }

        private static void Describe(StringBuilder json, Exception error, int causes)
        {
            json.Append("{\"errorType\":");
            Json.Quote(json, error.GetType().Name);
            json.Append(",\"errorMessage\":");
            Json.Quote(json, error.Message);
            List<string> frames = Frames(error);
            if (frames.Count > 0)
            {
                json.Append(",\"stackTrace\":[");
                for (int index = 0; index < frames.Count; index++)
                {
                    json.Append(index == 0 ? "" : ",");
                    Json.Quote(json, frames[index]);
                }
                json.Append(']');
            }
            if (error.InnerException != null && causes > 0)
            {
                json.Append(",\"cause\":");
                Describe(json, error.InnerException, causes - 1);
            }
            var several = error as AggregateException;
            if (several != null && causes > 0)
            {
                json.Append(",\"causes\":[");
                for (int index = 0; index < several.InnerExceptions.Count; index++)
                {
                    json.Append(index == 0 ? "" : ",");
                    Describe(json, several.InnerExceptions[index], causes - 1);
                }
                json.Append(']');
            }
            json.Append('}');
        }

        /// <summary>The frames of the function's code: below them are those of reflection and of this bootstrap.</summary>
        private static List<string> Frames(Exception error)
        {
            var frames = new List<string>();
            foreach (string line in (error.StackTrace ?? "").Split('\n'))
            {
                string frame = line.Trim();
                if (frame.StartsWith("at Kobel.Lambda.", StringComparison.Ordinal))
                {
                    break;
                }
                if (frame.Length > 0)
                {
                    frames.Add(frame);
                }
            }
            while (frames.Count > 0 && IsReflection(frames[frames.Count - 1]))
            {
                frames.RemoveAt(frames.Count - 1);
            }
            return frames;
        }

        private static bool IsReflection(string frame)
        {
            return frame.StartsWith("at System.Reflection.", StringComparison.Ordinal)
                || frame.StartsWith("at System.RuntimeMethodHandle.", StringComparison.Ordinal)
                || frame.StartsWith("at InvokeStub_", StringComparison.Ordinal);
        }
    }
}

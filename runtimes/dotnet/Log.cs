using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Kobel.Lambda
{
    /// <summary>Writes events of the log in the formats of Lambda's .NET runtime.</summary>
    internal static class Log
    {
        /// <summary>A line break inside a message that is one event of the log.</summary>
        private const char MessageBreak = '\u001e';

        private static readonly string[] Levels = { "Trace", "Debug", "Information", "Warning", "Error", "Critical" };
        private static readonly string[] Labels = { "trce", "dbug", "info", "warn", "fail", "crit" };

        private static readonly object Lock = new object();
        private static readonly Stream Output = Console.OpenStandardOutput();
        private static readonly bool AsJson = Format("JSON");
        private static readonly bool Plain = Format("Unformatted");
        private static readonly int LevelMin = Minimum();

        /// <summary>The invocation that runs; null during init.</summary>
        public static string RequestId;

        /// <summary>The trace of the invocation that runs.</summary>
        public static string TraceId;

        /// <summary>
        /// Writes one event, whatever line breaks it holds. <paramref name="level"/> may be null, or a word that is no
        /// level; <paramref name="arguments"/> take the places of the names in braces.
        /// </summary>
        public static void Write(string level, string message, object[] arguments, Exception error)
        {
            int rank = Rank(level);
            if (rank >= 0 && rank < LevelMin)
            {
                return;
            }
            var values = new Dictionary<string, object>();
            string text = arguments == null || arguments.Length == 0 ? message ?? "" : Template.Fill(message ?? "", arguments, values);
            string now = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            Emit(AsJson ? JsonLine(now, rank, text, values, error) : TextLine(now, level, rank, text, error));
        }

        /// <summary>Writes bytes of a line that the function has begun itself.</summary>
        public static void WriteRaw(string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            lock (Lock)
            {
                Output.Write(bytes, 0, bytes.Length);
                Output.Flush();
            }
        }

        private static void Emit(string text)
        {
            WriteRaw(text.TrimEnd('\n', '\r').Replace('\n', MessageBreak) + "\n");
        }

        private static string TextLine(string now, string level, int rank, string text, Exception error)
        {
            var line = new StringBuilder();
            if (!Plain)
            {
                line.Append(now).Append('\t').Append(RequestId).Append('\t');
                if (!string.IsNullOrEmpty(level))
                {
                    line.Append(rank < 0 ? level : Labels[rank]).Append('\t');
                }
            }
            line.Append(text);
            if (error != null)
            {
                line.Append(text.Length > 0 ? "\n" : "").Append(Failure.Text(error));
            }
            return line.ToString();
        }

        private static string JsonLine(string now, int rank, string text, Dictionary<string, object> values, Exception error)
        {
            var json = new StringBuilder("{\"timestamp\":");
            Json.Quote(json, now);
            Member(json, "level", Levels[rank < 0 ? 2 : rank]);
            Member(json, "requestId", RequestId);
            Member(json, "traceId", TraceId);
            Member(json, "message", text);
            foreach (KeyValuePair<string, object> value in values)
            {
                json.Append(',');
                Json.Quote(json, value.Key);
                json.Append(':');
                Template.AppendJson(json, value.Value);
            }
            if (error != null)
            {
                Member(json, "errorType", error.GetType().FullName);
                Member(json, "errorMessage", error.Message);
                json.Append(",\"stackTrace\":");
                Template.AppendJson(json, Failure.Text(error).Split('\n'));
            }
            return json.Append('}').ToString();
        }

        private static void Member(StringBuilder json, string name, string value)
        {
            if (string.IsNullOrEmpty(value) && name != "message")
            {
                return;
            }
            json.Append(',');
            Json.Quote(json, name);
            json.Append(':');
            Json.Quote(json, value);
        }

        /// <summary>The place of a level among all; below 0 for none. Lambda's own names are levels too.</summary>
        private static int Rank(string level)
        {
            for (int rank = 0; rank < Levels.Length; rank++)
            {
                if (string.Equals(level, Levels[rank], StringComparison.OrdinalIgnoreCase))
                {
                    return rank;
                }
            }
            switch ((level ?? "").ToUpperInvariant())
            {
                case "INFO": return 2;
                case "WARN": return 3;
                case "FATAL": return 5;
                default: return -1;
            }
        }

        private static int Minimum()
        {
            string level = Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_LEVEL");
            int rank = Rank(string.IsNullOrEmpty(level) ? Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_LEVEL") : level);
            return rank < 0 ? 2 : rank;
        }

        private static bool Format(string format)
        {
            string own = Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_FORMAT");
            string set = string.IsNullOrEmpty(own) ? Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_FORMAT") : own;
            return string.Equals(set, format, StringComparison.OrdinalIgnoreCase);
        }
    }

    /// <summary>Messages with names in braces: <c>user {name} has {count:0.0}</c>.</summary>
    internal static class Template
    {
        /// <summary>The message with its arguments in place, which <paramref name="values"/> gets by their names.</summary>
        public static string Fill(string template, object[] arguments, Dictionary<string, object> values)
        {
            var text = new StringBuilder();
            int next = 0;
            for (int at = 0; at < template.Length; at++)
            {
                char unit = template[at];
                bool twice = at + 1 < template.Length && template[at + 1] == unit;
                if ((unit == '{' || unit == '}') && twice)
                {
                    text.Append(unit);
                    at++;
                    continue;
                }
                int end = unit == '{' ? template.IndexOf('}', at) : -1;
                if (end < 0)
                {
                    text.Append(unit);
                    continue;
                }
                text.Append(Property(template.Substring(at + 1, end - at - 1), template.Substring(at, end - at + 1), arguments, ref next, values));
                at = end;
            }
            return text.ToString();
        }

        /// <summary>Numbers, booleans, lists and maps as such; all else as a string.</summary>
        public static void AppendJson(StringBuilder json, object value)
        {
            if (value == null)
            {
                json.Append("null");
            }
            else if (value is bool truth)
            {
                json.Append(truth ? "true" : "false");
            }
            else if (value is IDictionary map)
            {
                AppendMap(json, map);
            }
            else if (value is IEnumerable items && !(value is string))
            {
                AppendList(json, items);
            }
            else if (IsNumber(value))
            {
                json.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
            }
            else
            {
                Json.Quote(json, Convert.ToString(value, CultureInfo.InvariantCulture) ?? "");
            }
        }

        private static string Property(string inside, string whole, object[] arguments, ref int next, Dictionary<string, object> values)
        {
            int colon = inside.IndexOf(':');
            string name = (colon < 0 ? inside : inside.Substring(0, colon)).TrimStart('@').Trim();
            bool positional = int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int index);
            if (!positional)
            {
                index = next++;
            }
            if (index >= arguments.Length)
            {
                return whole;
            }
            object value = arguments[index];
            if (value != null)
            {
                values[name] = value;
            }
            string format = colon < 0 ? null : inside.Substring(colon + 1);
            return value is IFormattable formattable
                ? formattable.ToString(format, CultureInfo.InvariantCulture)
                : Convert.ToString(value, CultureInfo.InvariantCulture);
        }

        private static void AppendMap(StringBuilder json, IDictionary map)
        {
            json.Append('{');
            bool first = true;
            foreach (DictionaryEntry entry in map)
            {
                json.Append(first ? "" : ",");
                Json.Quote(json, Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? "");
                json.Append(':');
                AppendJson(json, entry.Value);
                first = false;
            }
            json.Append('}');
        }

        private static void AppendList(StringBuilder json, IEnumerable items)
        {
            json.Append('[');
            bool first = true;
            foreach (object item in items)
            {
                json.Append(first ? "" : ",");
                AppendJson(json, item);
                first = false;
            }
            json.Append(']');
        }

        private static bool IsNumber(object value)
        {
            if (value is double real)
            {
                return !double.IsNaN(real) && !double.IsInfinity(real);
            }
            if (value is float single)
            {
                return !float.IsNaN(single) && !float.IsInfinity(single);
            }
            switch (Convert.GetTypeCode(value))
            {
                case TypeCode.Byte:
                case TypeCode.SByte:
                case TypeCode.Int16:
                case TypeCode.UInt16:
                case TypeCode.Int32:
                case TypeCode.UInt32:
                case TypeCode.Int64:
                case TypeCode.UInt64:
                case TypeCode.Decimal:
                    return !(value is Enum);
                default:
                    return false;
            }
        }
    }
}

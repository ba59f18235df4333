using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;

namespace Kobel.Lambda
{
    /// <summary>
    /// Takes the place of <c>Console.Out</c> and <c>Console.Error</c>: each <c>WriteLine</c> is one event of the log, with the
    /// time, the request and the level; what <c>Write</c> writes goes through as it is.
    /// </summary>
    internal sealed class ConsoleWriter : TextWriter
    {
        private readonly string _level;

        private ConsoleWriter(string level)
        {
            _level = level;
        }

        public static void TakeOver()
        {
            Console.SetOut(new ConsoleWriter("Information"));
            Console.SetError(new ConsoleWriter("Error"));
        }

        public override Encoding Encoding { get { return Encoding.UTF8; } }

        public override void Write(char value) { Log.WriteRaw(value.ToString()); }

        public override void Write(string value) { Log.WriteRaw(value ?? ""); }

        public override void Write(char[] buffer, int index, int count) { Log.WriteRaw(new string(buffer, index, count)); }

        public override void WriteLine() { Line(""); }

        public override void WriteLine(string value) { Line(value); }

        public override void WriteLine(object value) { Line(Convert.ToString(value, FormatProvider)); }

        public override void WriteLine(char value) { Line(value.ToString()); }

        public override void WriteLine(char[] buffer) { Line(buffer == null ? "" : new string(buffer)); }

        public override void WriteLine(char[] buffer, int index, int count) { Line(new string(buffer, index, count)); }

        public override void WriteLine(bool value) { Line(value ? "True" : "False"); }

        public override void WriteLine(int value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(uint value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(long value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(ulong value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(float value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(double value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(decimal value) { Line(value.ToString(FormatProvider)); }

        public override void WriteLine(string format, object first) { Line(string.Format(FormatProvider, format, first)); }

        public override void WriteLine(string format, object first, object second)
        {
            Line(string.Format(FormatProvider, format, first, second));
        }

        public override void WriteLine(string format, object first, object second, object third)
        {
            Line(string.Format(FormatProvider, format, first, second, third));
        }

        public override void WriteLine(string format, params object[] values) { Line(string.Format(FormatProvider, format, values)); }

        public override Task WriteLineAsync(char value) { return Done(() => WriteLine(value)); }

        public override Task WriteLineAsync(string value) { return Done(() => WriteLine(value)); }

        public override Task WriteLineAsync() { return Done(WriteLine); }

        private void Line(string text)
        {
            Log.Write(_level, text, null, null);
        }

        private static Task Done(Action action)
        {
            action();
            return Task.FromResult(true);
        }
    }
}

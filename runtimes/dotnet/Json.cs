using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Kobel.Lambda
{
    /// <summary>
    /// JSON of the messages, contexts and errors. Events and responses are the business of the function's own serializer.
    /// </summary>
    internal sealed class Json
    {
        private const int DepthMax = 64;

        private readonly string _text;
        private int _at;

        private Json(string text)
        {
            _text = text;
        }

        /// <summary>
        /// Objects become dictionaries, arrays lists, numbers doubles or longs. Throws a FormatException.
        /// </summary>
        public static object Read(string text)
        {
            var reader = new Json(text);
            object value = reader.Value(0);
            reader.Blanks();
            if (reader._at != text.Length)
            {
                throw reader.Unexpected();
            }
            return value;
        }

        /// <summary>Writes <paramref name="text"/> as a JSON string.</summary>
        public static void Quote(StringBuilder json, string text)
        {
            json.Append('"');
            foreach (char unit in text)
            {
                switch (unit)
                {
                    case '"': json.Append("\\\""); break;
                    case '\\': json.Append("\\\\"); break;
                    case '\n': json.Append("\\n"); break;
                    case '\r': json.Append("\\r"); break;
                    case '\t': json.Append("\\t"); break;
                    default:
                        if (unit < ' ')
                        {
                            json.Append("\\u").Append(((int)unit).ToString("x4", CultureInfo.InvariantCulture));
                        }
                        else
                        {
                            json.Append(unit);
                        }
                        break;
                }
            }
            json.Append('"');
        }

        private object Value(int depth)
        {
            if (depth > DepthMax)
            {
                throw new FormatException("JSON is nested too deeply");
            }
            Blanks();
            switch (Peek())
            {
                case '{': return Object(depth);
                case '[': return Array(depth);
                case '"': return Text();
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return Number();
            }
        }

        private Dictionary<string, object> Object(int depth)
        {
            var members = new Dictionary<string, object>(StringComparer.Ordinal);
            _at++;
            while (!Ends('}', members.Count == 0))
            {
                Blanks();
                string name = Text();
                Blanks();
                Take(':');
                members[name] = Value(depth + 1);
            }
            return members;
        }

        private List<object> Array(int depth)
        {
            var items = new List<object>();
            _at++;
            while (!Ends(']', items.Count == 0))
            {
                items.Add(Value(depth + 1));
            }
            return items;
        }

        /// <summary>Whether the object or array ends here; takes the comma else.</summary>
        private bool Ends(char end, bool first)
        {
            Blanks();
            if (Peek() == end)
            {
                _at++;
                return true;
            }
            if (!first)
            {
                Take(',');
            }
            return false;
        }

        private string Text()
        {
            Take('"');
            var text = new StringBuilder();
            while (Peek() != '"')
            {
                char unit = _text[_at++];
                text.Append(unit == '\\' ? Escaped() : unit);
            }
            _at++;
            return text.ToString();
        }

        private char Escaped()
        {
            char unit = Peek();
            _at++;
            switch (unit)
            {
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
                case 'b': return '\b';
                case 'f': return '\f';
                case 'u':
                    if (_at + 4 > _text.Length)
                    {
                        throw Unexpected();
                    }
                    _at += 4;
                    return (char)int.Parse(_text.Substring(_at - 4, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                default: return unit;
            }
        }

        private object Word(string word, object value)
        {
            if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0)
            {
                throw Unexpected();
            }
            _at += word.Length;
            return value;
        }

        private object Number()
        {
            int start = _at;
            while (_at < _text.Length && "+-.eE0123456789".IndexOf(_text[_at]) >= 0)
            {
                _at++;
            }
            string digits = _text.Substring(start, _at - start);
            long whole;
            if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out whole))
            {
                return whole;
            }
            double number;
            if (!double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out number))
            {
                throw Unexpected();
            }
            return number;
        }

        private char Peek()
        {
            if (_at >= _text.Length)
            {
                throw Unexpected();
            }
            return _text[_at];
        }

        private void Take(char expected)
        {
            if (Peek() != expected)
            {
                throw Unexpected();
            }
            _at++;
        }

        private void Blanks()
        {
            while (_at < _text.Length && " \t\r\n".IndexOf(_text[_at]) >= 0)
            {
                _at++;
            }
        }

        private FormatException Unexpected()
        {
            return new FormatException("no JSON at position " + _at.ToString(CultureInfo.InvariantCulture));
        }
    }
}

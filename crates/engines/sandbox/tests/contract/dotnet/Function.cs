// One method a behaviour; each test names the one that it needs.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

[assembly: LambdaSerializer(typeof(App.Serializer))]

namespace App
{
    public class Serializer : ILambdaSerializer
    {
        private static readonly JsonSerializerOptions Options = new JsonSerializerOptions { PropertyNameCaseInsensitive = true };

        public T Deserialize<T>(Stream stream)
        {
            return JsonSerializer.DeserializeAsync<T>(stream, Options).Result;
        }

        public void Serialize<T>(T value, Stream stream)
        {
            var writer = new Utf8JsonWriter(stream);
            JsonSerializer.Serialize<T>(writer, value, Options);
        }
    }

    public class Shouting : ILambdaSerializer
    {
        public T Deserialize<T>(Stream stream)
        {
            return (T)(object)new StreamReader(stream).ReadToEnd().ToUpperInvariant();
        }

        public void Serialize<T>(T value, Stream stream)
        {
            byte[] text = Encoding.UTF8.GetBytes("\"" + value + "\"");
            stream.Write(text, 0, text.Length);
        }
    }

    public class Item
    {
        public string Key { get; set; }
        public long Size { get; set; }
    }

    public class Order
    {
        public List<Item> Records { get; set; }
    }

    public abstract class Base
    {
        public string Inherited(string text)
        {
            return "inherited " + text;
        }
    }

    public class Function : Base
    {
        public List<string> Typed(Order order, ILambdaContext context)
        {
            return order.Records.Select(item => item.Key + item.Size + context.FunctionName).ToList();
        }

        public string Greet(string name)
        {
            return "Hello " + name;
        }

        public async Task<Dictionary<string, int>> Sum(List<int> numbers)
        {
            await Task.Delay(1);
            return new Dictionary<string, int> { { "sum", numbers.Sum() } };
        }

        public Stream Streams(Stream input)
        {
            return new MemoryStream(Encoding.UTF8.GetBytes("{\"raw\":" + new StreamReader(input).ReadToEnd() + "}"));
        }

        public async Task<Stream> LaterStreams(Stream input, ILambdaContext context)
        {
            await Task.Yield();
            return input;
        }

        public static int Constant()
        {
            return 42;
        }

        public async Task Nothing(ILambdaContext context)
        {
            await Task.Delay(1);
        }

        [LambdaSerializer(typeof(Shouting))]
        public string Shout(string text)
        {
            return text.Replace("\"", "");
        }

        public string Overloaded(string text)
        {
            return text;
        }

        public string Overloaded(int number)
        {
            return "number " + number;
        }

        public List<object> Context(ILambdaContext context)
        {
            return new List<object>
            {
                context.AwsRequestId, context.InvokedFunctionArn, context.FunctionName, context.FunctionVersion,
                context.MemoryLimitInMB, context.RemainingTime > TimeSpan.FromSeconds(1), context.LogGroupName,
                context.Identity.IdentityId, context.ClientContext.Client.AppTitle, context.ClientContext.Custom["k"],
                context.TraceId, context.TenantId, Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID"),
                Environment.GetEnvironmentVariable("_KOBEL_CHANNEL"),
            };
        }

        public string Fails(string text)
        {
            throw new InvalidOperationException("no \"" + text + "\"", new ArgumentException("deep"));
        }

        public async Task<string> FailsLater(string text)
        {
            await Task.Delay(1);
            throw new KeyNotFoundException("later");
        }

        public async Task<string> FailsTwice(string text)
        {
            await Task.Yield();
            throw new AggregateException("two", new ArgumentException("one"), new FormatException("other"));
        }

        public string Large(string text)
        {
            return new string('x', 6291555);
        }

        public string FailsInThread(string text)
        {
            new Thread(() => throw new InvalidOperationException("nobody catches this")).Start();
            Thread.Sleep(Timeout.Infinite);
            return text;
        }

        public string Leaves(string text)
        {
            Environment.Exit(3);
            return text;
        }

        public async void AsyncVoid(string text)
        {
            await Task.Yield();
        }

        public string Logs(string text, ILambdaContext context)
        {
            Console.WriteLine("one\ntwo {0}", 3);
            Console.Error.WriteLine("bad");
            context.Logger.LogLine("line");
            context.Logger.Log("Warning", "user {name} has {count:0.0}", "ann", 2.5);
            context.Logger.Log("Debug", "unseen");
            context.Logger.Log("Error", new ArgumentException("why"), "broken");
            LambdaLogger.Log("static");
            return text;
        }
    }

    public class Broken
    {
        public Broken()
        {
            throw new InvalidOperationException("not today");
        }

        public string Handle(string text)
        {
            return text;
        }
    }
}

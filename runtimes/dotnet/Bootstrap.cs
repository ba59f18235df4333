using System;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Text;

namespace Kobel.Lambda
{
    /// <summary>Kobel's bootstrap for .NET functions: loads the handler, then serves one event after another.</summary>
    public static class Bootstrap
    {
        private const int ResponseBytesMax = 6291556;
        private static readonly byte[] Empty = new byte[0];

        public static int Main()
        {
            string number = Environment.GetEnvironmentVariable("_KOBEL_CHANNEL");
            Environment.SetEnvironmentVariable("_KOBEL_CHANNEL", null);
            var channel = new Channel(int.Parse(number, CultureInfo.InvariantCulture));
            ConsoleWriter.TakeOver();
            AppDomain.CurrentDomain.AssemblyResolve += FindInPackage;
            AppDomain.CurrentDomain.AssemblyLoad += (sender, loaded) => Redirect(loaded.LoadedAssembly);
            Handler handler;
            try
            {
                handler = Handler.Load(Environment.GetEnvironmentVariable("_HANDLER"));
            }
            catch (Exception error)
            {
                Report(channel, Channel.InitError, null, error);
                return 1;
            }
            channel.Send(Channel.Ready, null, null, Empty);
            Serve(channel, handler);
            return 0;
        }

        private static void Serve(Channel channel, Handler handler)
        {
            for (Message message = channel.Receive(); message != null; message = channel.Receive())
            {
                if (message.Kind == Channel.Invoke)
                {
                    Invoke(channel, handler, message);
                }
            }
            // The host is gone: threads of the function's have no say in when this ends.
            Environment.Exit(0);
        }

        private static void Invoke(Channel channel, Handler handler, Message message)
        {
            string requestId = Text.Of(message.Header, "requestId");
            Log.RequestId = requestId;
            Log.TraceId = Text.Of(message.Header, "traceId");
            Environment.SetEnvironmentVariable("_X_AMZN_TRACE_ID", Log.TraceId);
            byte[] response;
            try
            {
                response = handler.Invoke(message.Body, message.Header);
            }
            catch (Exception error)
            {
                Report(channel, Channel.Error, requestId, error);
                return;
            }
            if (response.Length > ResponseBytesMax)
            {
                channel.Send(Channel.Error, requestId, "Function.ResponseSizeTooLarge", Empty);
            }
            else
            {
                channel.Send(Channel.Response, requestId, null, response);
            }
        }

        private static void Report(Channel channel, char kind, string requestId, Exception error)
        {
            Log.Write("Error", "", null, error);
            channel.Send(kind, requestId, error.GetType().Name, Encoding.UTF8.GetBytes(Failure.Describe(error)));
        }

        /// <summary>Assemblies of packages that do not list them in a <c>.deps.json</c>.</summary>
        private static Assembly FindInPackage(object sender, ResolveEventArgs wanted)
        {
            string folder = Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT");
            string file = Path.Combine(folder, new AssemblyName(wanted.Name).Name + ".dll");
            return File.Exists(file) ? Assembly.LoadFrom(file) : null;
        }

        /// <summary>What the static logger of Amazon.Lambda.Core gets is logged as all else. Old versions have less of it.</summary>
        private static void Redirect(Assembly assembly)
        {
            Type logger = assembly.GetName().Name == "Amazon.Lambda.Core" ? assembly.GetType("Amazon.Lambda.Core.LambdaLogger") : null;
            if (logger == null)
            {
                return;
            }
            Action<string> plain = message => Log.Write(null, message, null, null);
            Action<string, string, object[]> leveled = (level, message, values) => Log.Write(level, message, values, null);
            Action<string, Exception, string, object[]> failed = (level, error, message, values) => Log.Write(level, message, values, error);
            Set(logger, "_loggingAction", plain);
            Set(logger, "_loggingWithLevelAction", leveled);
            Set(logger, "_loggingWithLevelAndExceptionAction", failed);
        }

        private static void Set(Type type, string name, Delegate action)
        {
            FieldInfo field = type.GetField(name, BindingFlags.NonPublic | BindingFlags.Static);
            if (field != null && field.FieldType.IsInstanceOfType(action))
            {
                field.SetValue(null, action);
            }
        }
    }
}

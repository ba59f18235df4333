using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Tasks;

namespace Kobel.Lambda
{
    /// <summary>What a handler setting names: <c>ASSEMBLY::TYPE::METHOD</c>.</summary>
    internal sealed class Handler
    {
        private const string ContextType = "Amazon.Lambda.Core.ILambdaContext";
        private const BindingFlags Declared =
            BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
        /// <summary>`DoNotWrapExceptions` of .NET, which the assembly that this is compiled against does not name.</summary>
        private const BindingFlags Unwrapped = (BindingFlags)0x02000000;
        /// <summary>The answer of a method without a result.</summary>
        private static readonly byte[] Nothing = Encoding.UTF8.GetBytes("null");

        private readonly MethodInfo _method;
        private readonly object _target;
        private readonly Type _input;
        private readonly bool _takesContext;
        private readonly Codec _codec;
        private readonly Type _output;
        private readonly PropertyInfo _result;

        private Handler(MethodInfo method, Type type, Codec codec)
        {
            _method = method;
            _codec = codec;
            ParameterInfo[] parameters = method.GetParameters();
            if (parameters.Length > 2)
            {
                throw Refused("Method '{0}' of type '{1}' is not supported: the method has more than 2 parameters.", method.Name, type.FullName);
            }
            _takesContext = parameters.Length > 0 && IsContext(parameters[parameters.Length - 1]);
            if (parameters.Length == 2 && !_takesContext)
            {
                throw Refused(
                    "Method '{0}' of type '{1}' is not supported: the method has 2 parameters, but the second parameter is not of type '{2}'.",
                    method.Name, type.FullName, ContextType);
            }
            bool takesEvent = parameters.Length > (_takesContext ? 1 : 0);
            _input = takesEvent ? parameters[0].ParameterType : null;
            codec.CheckInput(_input);
            _result = ResultOfTask(method.ReturnType);
            _output = _result != null ? _result.PropertyType : IsTask(method.ReturnType) ? typeof(void) : method.ReturnType;
            codec.CheckOutput(_output);
            _target = method.IsStatic ? null : Activator.CreateInstance(type);
        }

        public static Handler Load(string setting)
        {
            string[] parts = (setting ?? "").Split(new[] { "::" }, 3, StringSplitOptions.None);
            const string form = "The valid format is 'ASSEMBLY::TYPE::METHOD'.";
            if (parts.Length != 3)
            {
                throw Refused("Invalid lambda function handler: '{0}'. {1}", setting, form);
            }
            string[] names = { "assembly", "type", "method" };
            for (int index = 0; index < parts.Length; index++)
            {
                parts[index] = parts[index].Trim();
                if (parts[index].Length == 0)
                {
                    throw Refused("Invalid lambda function handler: '{0}', the {1} is missing. {2}", setting, names[index], form);
                }
            }
            Assembly assembly = LoadAssembly(parts[0]);
            Type type = assembly.GetType(parts[1]);
            if (type == null)
            {
                throw Refused("Unable to load type '{0}' from assembly '{1}'.", parts[1], parts[0]);
            }
            MethodInfo method = Find(type, parts[2], parts[0]);
            Check(type, method);
            return new Handler(method, type, Codec.Of(assembly, method));
        }

        /// <summary>From the event's bytes to the response's.</summary>
        public byte[] Invoke(byte[] payload, Dictionary<string, object> header)
        {
            var arguments = new List<object>();
            if (_input != null)
            {
                arguments.Add(_codec.Read(payload, _input));
            }
            if (_takesContext)
            {
                arguments.Add(MakeContext(header));
            }
            object value = _method.Invoke(_target, Unwrapped, null, arguments.ToArray(), null);
            if (value is Task task)
            {
                task.GetAwaiter().GetResult();
                value = _result == null ? null : _result.GetValue(task);
            }
            return _output == typeof(void) ? Nothing : _codec.Write(value, _output);
        }

        /// <summary>Apart, so that functions without Amazon.Lambda.Core never need it.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static object MakeContext(Dictionary<string, object> header)
        {
            return new Context(header);
        }

        private static Assembly LoadAssembly(string name)
        {
            try
            {
                return Assembly.Load(new AssemblyName(name));
            }
            catch (FileNotFoundException error)
            {
                throw Refused(
                    "Could not find the specified handler assembly with the file name '{0}'. The assembly should be located in the root of your uploaded .zip file.",
                    error.FileName);
            }
            catch (Exception)
            {
                throw Refused("Unable to load assembly '{0}'.", name);
            }
        }

        /// <summary>By its name, or by its whole signature where there are overloads.</summary>
        private static MethodInfo Find(Type type, string wanted, string assembly)
        {
            var candidates = new List<MethodInfo>();
            for (Type at = type; at != null && candidates.Count == 0; at = at.BaseType)
            {
                foreach (MethodInfo method in at.GetMethods(Declared))
                {
                    if (method.ToString() == wanted)
                    {
                        return method;
                    }
                    if (method.Name == wanted)
                    {
                        candidates.Add(method);
                    }
                }
            }
            if (candidates.Count == 0)
            {
                throw Refused(
                    "Unable to find method '{0}' in type '{1}' from assembly '{2}': Found no methods matching method name '{0}'.",
                    wanted, type.FullName, assembly);
            }
            if (candidates.Count > 1)
            {
                throw Refused(
                    "The method '{0}' in type '{1}' appears to have a number of overloads. To call this method please specify a complete method signature. Possible candidates are:\n{2}.",
                    wanted, type.FullName, string.Join("\n", candidates));
            }
            return candidates[0];
        }

        private static void Check(Type type, MethodInfo method)
        {
            const string refused = "cannot be used as a Lambda Handler";
            if (type.ContainsGenericParameters)
            {
                throw Refused("The type '{0}' {1} type because it is generic.", type.FullName, refused);
            }
            if (method.IsAbstract || method.ContainsGenericParameters)
            {
                throw Refused("The method '{0}' {1} because it is {2}.", method, refused, method.IsAbstract ? "an abstract method" : "a generic method");
            }
            if (type.IsAbstract && !method.IsStatic)
            {
                throw Refused("The instance method '{0}' {1} because its type '{2}' is abstract.", method, refused, type.FullName);
            }
            if (method.ReturnType == typeof(void) && method.IsDefined(typeof(AsyncStateMachineAttribute), false))
            {
                throw Refused("The method '{0}' {1} because it is an 'async void' method.", method, refused);
            }
        }

        private static bool IsContext(ParameterInfo parameter)
        {
            return parameter.ParameterType.FullName == ContextType;
        }

        private static bool IsTask(Type type)
        {
            return typeof(Task).IsAssignableFrom(type);
        }

        /// <summary>The <c>Result</c> of a <c>Task&lt;T&gt;</c> or of a subclass of it; null for all else.</summary>
        private static PropertyInfo ResultOfTask(Type type)
        {
            for (Type at = type; at != null; at = at.BaseType)
            {
                if (at.IsGenericType && at.GetGenericTypeDefinition() == typeof(Task<>))
                {
                    return at.GetProperty("Result");
                }
            }
            return null;
        }

        internal static LambdaValidationException Refused(string message, params object[] values)
        {
            return new LambdaValidationException(string.Format(message, values));
        }
    }
}

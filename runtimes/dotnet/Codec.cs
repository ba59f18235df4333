using System;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using Amazon.Lambda.Core;

namespace Kobel.Lambda
{
    /// <summary>
    /// Between bytes and objects: streams as they are, all else by the serializer that the function's attribute
    /// <c>LambdaSerializer</c> names.
    /// </summary>
    internal sealed class Codec
    {
        private const string AttributeType = "Amazon.Lambda.Core.LambdaSerializerAttribute";
        private const string Missing =
            "Could not find the LambdaSerializerAttribute on the assembly '{0}' or method '{1}' while attempting to {2} data of type '{3}'. To use types other than System.IO.Stream as input/output parameters, the assembly or Lambda function should be annotated with {4}.";

        private readonly string _assembly;
        private readonly string _method;
        private readonly object _serializer;
        private MethodInfo _deserialize;
        private MethodInfo _serialize;

        private Codec(string assembly, string method, object serializer)
        {
            _assembly = assembly;
            _method = method;
            _serializer = serializer;
        }

        public static Codec Of(Assembly assembly, MethodInfo method)
        {
            object attribute = Find(method.GetCustomAttributes(true)) ?? Find(assembly.GetCustomAttributes(true));
            object serializer = attribute == null ? null : Create(attribute);
            return new Codec(assembly.FullName, method.ToString(), serializer);
        }

        public void CheckInput(Type type)
        {
            if (type == null || type == typeof(Stream))
            {
                return;
            }
            Require(type, "deserialize input");
            _deserialize = Specialise("Deserialize", type);
        }

        public void CheckOutput(Type type)
        {
            if (type == typeof(void) || typeof(Stream).IsAssignableFrom(type))
            {
                return;
            }
            Require(type, "serialize output");
            _serialize = Specialise("Serialize", type);
        }

        public object Read(byte[] payload, Type type)
        {
            var stream = new MemoryStream(payload, false);
            return type == typeof(Stream) ? stream : Call(_deserialize, stream);
        }

        public byte[] Write(object value, Type type)
        {
            var output = new MemoryStream();
            if (_serialize != null)
            {
                Call(_serialize, value, output);
            }
            else if (value is Stream stream)
            {
                using (stream)
                {
                    stream.CopyTo(output);
                }
            }
            return output.ToArray();
        }

        private object Call(MethodInfo method, params object[] arguments)
        {
            return method.Invoke(_serializer, (BindingFlags)0x02000000, null, arguments, null);
        }

        private void Require(Type type, string action)
        {
            if (_serializer == null)
            {
                throw Handler.Refused(Missing, _assembly, _method, action, type.FullName, AttributeType);
            }
        }

        /// <summary>Apart, so that functions of streams never need Amazon.Lambda.Core.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static MethodInfo Specialise(string name, Type type)
        {
            return typeof(ILambdaSerializer).GetMethod(name).MakeGenericMethod(type);
        }

        private static object Find(object[] attributes)
        {
            return Array.Find(attributes, attribute => attribute.GetType().FullName == AttributeType);
        }

        private static object Create(object attribute)
        {
            var type = attribute.GetType().GetProperty("SerializerType")?.GetValue(attribute) as Type;
            if (type == null)
            {
                throw Handler.Refused("The 'SerializerType' property on attribute class '{0}' is not set.", AttributeType);
            }
            if (type.GetConstructor(Type.EmptyTypes) == null)
            {
                throw Handler.Refused(
                    "The indicated serializer '{0}' does not define a public zero-parameter constructor.", type.FullName);
            }
            object serializer = Activator.CreateInstance(type);
            if (!IsSerializer(serializer))
            {
                throw Handler.Refused("The '{0}' class is invalid: it does not implement the 'ILambdaSerializer' interface.", type.FullName);
            }
            return serializer;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static bool IsSerializer(object serializer)
        {
            return serializer is ILambdaSerializer;
        }
    }
}

// A package without Amazon.Lambda.Core, whose handlers can only take streams.
using System.IO;

public class Plain
{
    public Stream Echo(Stream input)
    {
        return input;
    }

    public string Text(string text)
    {
        return text;
    }
}

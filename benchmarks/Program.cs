using Portcullis.Benchmarks.Compile;

if (args is ["compile", .. var rest])
{
    return CompileScenario.Run(rest is [var scale] ? int.Parse(scale) : 25_000);
}

Console.Error.WriteLine("usage: Portcullis.Benchmarks compile [NAMESPACES]");
return 2;

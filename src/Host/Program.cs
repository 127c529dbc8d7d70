using System.Runtime.Versioning;
using Portcullis.Host.Commands;

[assembly: SupportedOSPlatform("linux")]

return await CommandLine.InvokeAsync(args, Console.Out, Console.Error, Environment.GetEnvironmentVariables());

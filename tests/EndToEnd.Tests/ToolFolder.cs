using System.Globalization;

namespace Portcullis.EndToEnd.Tests;

/// <summary>A folder ahead of the path with netfilter's programs: they stand for one backend, and can be made to fail.</summary>
internal sealed class ToolFolder : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pctools").FullName;

    public ToolFolder(string backend)
    {
        foreach (var program in new[] { "iptables", "ip6tables" })
        {
            Write(program, $"exec {program}-{backend} \"$@\"");
            Write($"{program}-{backend}-restore", $$"""
                if [ -e "$0.kill" ] && [ "$2" != --test ]; then
                  kill -KILL $PPID
                  exit 1
                fi
                if [ -e "{{_folder}}/no-sctp" ]; then
                  input="$0.$$"
                  cat >"$input"
                  trap 'rm -f "$input"' EXIT
                  if grep -q 'sctp -m multiport' "$input"; then
                    echo "$0: multiport needs one of tcp, udp" >&2
                    exit 2
                  fi
                  PATH=${PATH#*:} {{program}}-{{backend}}-restore "$@" <"$input"
                  exit
                fi
                PATH=${PATH#*:} exec {{program}}-{{backend}}-restore "$@"
                """);
        }

        Executable = Write("portcullis", $"PATH=\"{_folder}:$PATH:/usr/sbin\" exec {EndToEnd.Tests.Executable.Path} \"$@\"");
        Backend = backend;
    }

    /// <summary>The executable <c>portcullis</c> with this folder ahead of its path.</summary>
    public string Executable { get; }

    public string Backend { get; }

    /// <summary>From now on a family's rules are not restored; whoever asks for it is killed instead.</summary>
    public void KillBeforeRules(string program = "iptables") => File.WriteAllText(Path.Combine(_folder, $"{program}-{Backend}-restore.kill"), string.Empty);

    /// <summary>Rules are restored again.</summary>
    public void SpareAgain()
    {
        foreach (var file in Directory.EnumerateFiles(_folder, "*.kill"))
        {
            File.Delete(file);
        }
    }

    /// <summary>From now on ports of SCTP cannot be matched.</summary>
    public void RefuseSctpPorts() => File.WriteAllText(Path.Combine(_folder, "no-sctp"), string.Empty);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string script)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $"#!/bin/sh\n{script}\n"));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}

using System.Globalization;

namespace Portcullis.Host.Commands;

/// <summary>Durations as users write them.</summary>
internal static class Duration
{
    /// <summary>Reads a number with the unit ms, s, m or h; without a unit seconds.</summary>
    /// <exception cref="CommandException">It is not a duration.</exception>
    public static TimeSpan Parse(string text)
    {
        var digits = text.TrimEnd("hms".ToCharArray());
        var unit = text[digits.Length..] switch
        {
            "ms" => TimeSpan.FromMilliseconds(1),
            "s" or "" => TimeSpan.FromSeconds(1),
            "m" => TimeSpan.FromMinutes(1),
            "h" => TimeSpan.FromHours(1),
            _ => TimeSpan.Zero,
        };
        return unit > TimeSpan.Zero
            && double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * unit.TotalDays <= 1
            ? number * unit
            : throw new CommandException(ExitCode.Usage, [$"'{text}' is not a duration of at most a day, for example 500ms, 10s, 2m"]);
    }
}

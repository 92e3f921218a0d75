using System.Globalization;
using System.Net;
using System.Text;

namespace Palimpsest.Local.Evaluation;

/// <summary>One plot as inline SVG: axes with ticks, lines, points and bars in data coordinates.</summary>
internal sealed class Svg
{
    /// <summary>Distinguishable without colour vision (Okabe and Ito).</summary>
    public static readonly IReadOnlyList<string> Colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444"];

    private const double Width = 420, Height = 320, Left = 52, Right = 12, Top = 30, Bottom = 44;

    private readonly StringBuilder text = new();
    private readonly List<(string Name, string Colour)> legend = [];
    private readonly (double Low, double High) x;
    private readonly (double Low, double High) y;

    public Svg(string title, string xLabel, string yLabel, (double Low, double High) x, (double Low, double High) y, IEnumerable<(double At, string Label)>? xTicks = null, IEnumerable<(double At, string Label)>? yTicks = null)
    {
        (this.x, this.y) = (x, y);
        text.Append(CultureInfo.InvariantCulture, $"<svg viewBox='0 0 {Width} {Height}' role='img' aria-label='{WebUtility.HtmlEncode(title)}'><text class='t' x='{Left}' y='18'>{WebUtility.HtmlEncode(title)}</text>");
        foreach (var (at, label) in xTicks ?? Ticks(x))
        {
            text.Append(CultureInfo.InvariantCulture, $"<line class='g' x1='{X(at):F1}' x2='{X(at):F1}' y1='{Top}' y2='{Height - Bottom}'/><text class='m' x='{X(at):F1}' y='{Height - Bottom + 14}'>{label}</text>");
        }

        foreach (var (at, label) in yTicks ?? Ticks(y))
        {
            text.Append(CultureInfo.InvariantCulture, $"<line class='g' x1='{Left}' x2='{Width - Right}' y1='{Y(at):F1}' y2='{Y(at):F1}'/><text class='e' x='{Left - 5}' y='{Y(at) + 4:F1}'>{label}</text>");
        }

        text.Append(CultureInfo.InvariantCulture, $"<text class='m' x='{(Left + Width - Right) / 2}' y='{Height - 8}'>{WebUtility.HtmlEncode(xLabel)}</text>");
        text.Append(CultureInfo.InvariantCulture, $"<text class='m' transform='translate(14 {(Top + Height - Bottom) / 2}) rotate(-90)'>{WebUtility.HtmlEncode(yLabel)}</text>");
    }

    /// <summary>The legend stands in the upper right corner instead of the lower.</summary>
    public bool LegendOnTop { get; init; }

    public Svg Line(IEnumerable<(double X, double Y)> points, string colour, string? name = null, bool dashed = false)
    {
        string path = string.Join(' ', points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{X(p.X):F1},{Y(p.Y):F1}")));
        text.Append(CultureInfo.InvariantCulture, $"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{(dashed ? 1 : 2)}'{(dashed ? " stroke-dasharray='4 4'" : "")}/>");
        return Name(name, colour);
    }

    public Svg Dots(IEnumerable<(double X, double Y, double Radius)> points, string colour, string? name = null)
    {
        foreach (var p in points)
        {
            text.Append(CultureInfo.InvariantCulture, $"<circle cx='{X(p.X):F1}' cy='{Y(p.Y):F1}' r='{p.Radius:F1}' fill='{colour}' fill-opacity='.75'/>");
        }

        return Name(name, colour);
    }

    public Svg Bars(IEnumerable<(double From, double To, double Height)> bars, string colour, string? name = null)
    {
        foreach (var (from, to, height) in bars)
        {
            text.Append(CultureInfo.InvariantCulture, $"<rect x='{X(from):F1}' y='{Y(height):F1}' width='{Math.Max(0.5, X(to) - X(from)):F1}' height='{Math.Max(0, Y(y.Low) - Y(height)):F1}' fill='{colour}' fill-opacity='.55'/>");
        }

        return Name(name, colour);
    }

    public override string ToString()
    {
        var whole = new StringBuilder(text.ToString());
        double first = LegendOnTop ? Top + 14 : Height - Bottom - 10 - ((legend.Count - 1) * 15);
        if (legend.Count > 0)
        {
            whole.Append(CultureInfo.InvariantCulture, $"<rect x='{Width - Right - 134}' y='{first - 13}' width='132' height='{(legend.Count * 15) + 5}' fill='#fff' fill-opacity='.8'/>");
        }

        for (int i = 0; i < legend.Count; i++)
        {
            double at = first + (i * 15);
            whole.Append(CultureInfo.InvariantCulture, $"<rect x='{Width - Right - 128}' y='{at - 8}' width='9' height='9' fill='{legend[i].Colour}'/><text x='{Width - Right - 114}' y='{at}'>{WebUtility.HtmlEncode(legend[i].Name)}</text>");
        }

        return whole.Append("</svg>").ToString();
    }

    private static IEnumerable<(double, string)> Ticks((double Low, double High) range)
    {
        double span = range.High - range.Low, step = Math.Pow(10, Math.Floor(Math.Log10(span / 4)));
        step *= span / step > 10 ? (span / step > 20 ? 5 : 2) : 1;
        for (double at = Math.Ceiling(range.Low / step) * step; at <= range.High + (step / 1000); at += step)
        {
            yield return (at, at.ToString("0.###", CultureInfo.InvariantCulture));
        }
    }

    private Svg Name(string? name, string colour)
    {
        if (name is not null)
        {
            legend.Add((name, colour));
        }

        return this;
    }

    private double X(double value) => Left + ((Math.Clamp(value, x.Low, x.High) - x.Low) / (x.High - x.Low) * (Width - Left - Right));

    private double Y(double value) => Height - Bottom - ((Math.Clamp(value, y.Low, y.High) - y.Low) / (y.High - y.Low) * (Height - Top - Bottom));
}

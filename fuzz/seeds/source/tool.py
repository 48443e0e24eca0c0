import m as n
@mcp.tool(name="x")
def x(a: str):
    return n.f(a)

"""What a role with CREATE in the tables' schema can make to be run by others: better matches for PostgreSQL's own operators."""

import contextlib

import psycopg2

# Left and right type. All but one answer as PostgreSQL's own would.
OPERATORS = [
    ("oid", "regclass"), ("oid", "regprocedure"), ("oid", "regnamespace"), ("regclass", "oid"), ("oid", "int4"),
    ("name", "varchar"), ("name", "text"), ("varchar", "varchar"), ("varchar", "text"), ('"char"', "text"), ("uuid", "text")]


class Overloads:
    """Operators named `=`, and a function `quote_ident(name)`; each notes as whom it was run."""

    def __init__(self, database, name):
        self._database = database
        self.role = name
        database.execute(f"CREATE ROLE {name} LOGIN; GRANT CREATE ON SCHEMA public TO {name}")
        connection = psycopg2.connect(database.url.replace("postgres@", f"{name}@"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE public.was_run (role name, what text); GRANT INSERT ON public.was_run TO PUBLIC")
            for number, (left, right) in enumerate(OPERATORS):
                same = "$1::text = $2::text" if "reg" not in left + right else "$1::oid = $2::oid"
                if left == right == "varchar":
                    same = "true"  # The one that somebody would make who wants to be a member.
                self._make(cursor, f"same_{number}", f"{left}, {right}", "boolean", same)
                cursor.execute(f"CREATE OPERATOR public.= (leftarg = {left}, rightarg = {right}, function = public.same_{number})")
            self._make(cursor, "quote_ident", "name", "text", "pg_catalog.quote_ident($1::text)")
        connection.close()

    @staticmethod
    def _make(cursor, name, arguments, result, expression):
        cursor.execute(
            f"CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN"
            f" INSERT INTO public.was_run VALUES (current_user, '{name}({arguments})'); RETURN {expression};"
            f" EXCEPTION WHEN OTHERS THEN RETURN {expression}; END $$")

    def were_run(self):
        """As whom, and which of them."""
        return self._database.execute("SELECT role::text, what FROM public.was_run")


@contextlib.contextmanager
def overloads(database):
    name = f"overloader_{database.name}"
    try:
        yield Overloads(database, name)
    finally:
        database.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")

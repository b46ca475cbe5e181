-- Status codes of failures become names as well, in the order in which they were first counted:
-- beyond a cap the first to come keep their series, and the codes themselves do not tell which they
-- were. Those of before come in the order in which the last start has admitted them.
INSERT INTO dimension (dimension, id, value, label)
    SELECT 13, row_number() OVER (ORDER BY code), CAST(code AS TEXT), NULL
    FROM (SELECT DISTINCT k4 AS code FROM total WHERE family = 2);

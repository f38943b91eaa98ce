-- What Flip said that a home may join is of its zip code: with another one it is not shown any more, and asked for anew.

CREATE FUNCTION fleet.forget_programs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    DELETE FROM fleet.site_programs WHERE site_id = NEW.site_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fleet.forget_programs IS 'Of a home whose zip code changed: nobody but Flip''s flow may write what it may join.';
REVOKE ALL ON FUNCTION fleet.forget_programs() FROM PUBLIC;
CREATE TRIGGER forget_programs_of_former_address AFTER UPDATE OF zip_code ON fleet.sites
    FOR EACH ROW WHEN (OLD.zip_code IS DISTINCT FROM NEW.zip_code) EXECUTE FUNCTION fleet.forget_programs();

-- The table of conf/replicate_country.yaml, and the user that it names: the grants of docs/replicate.md, and UPDATE to try with.
CREATE DATABASE sales;
CREATE TABLE sales.country_lookup_table (
    code VARCHAR(3), countryname VARCHAR(60), combinedname VARCHAR(80), PRIMARY KEY (code, countryname));
INSERT INTO sales.country_lookup_table VALUES
    ('IN', 'India', 'IN-India'), ('US', 'USA', 'US-USA'), ('AU', 'Australia', 'AU-Australia'), ('DE', 'Germany', 'DE-Germany');
CREATE USER 'streamjoin'@'%' IDENTIFIED BY 'streamjoin';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'streamjoin'@'%';
GRANT SELECT, UPDATE ON sales.* TO 'streamjoin'@'%';

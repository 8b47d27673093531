#!/bin/sh
# What cluster.yaml expects to find in an AWS account, made once: the bucket, the rights of the nodes, the firewall.
#   sh cluster/aws/prepare.sh lab-sensorium 203.0.113.7/32      # a bucket's name, and the addresses that may use ssh
# Whoever runs it must be allowed to make roles. What is there already stops it: remove the line, or the thing.
set -eu
bucket=${1:?name the bucket to make}
from=${2:?name the addresses that may use ssh, such as 203.0.113.7/32}
region=${AWS_DEFAULT_REGION:-us-east-1}
here=$(dirname "$0")
policies=$(mktemp -d)
trap 'rm -r "$policies"' EXIT
export AWS_DEFAULT_REGION="$region" AWS_PAGER=

# The bucket. us-east-1 alone does not want to be named.
if [ "$region" = us-east-1 ]; then
    aws s3api create-bucket --bucket "$bucket"
else
    aws s3api create-bucket --bucket "$bucket" --create-bucket-configuration "LocationConstraint=$region"
fi
aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true

# Rights: workers read and write the bucket; the head starts and ends workers as well.
sed "s/REPLACE_BUCKET/$bucket/" "$here/bucket-policy.json" >"$policies/bucket.json"
for node in head worker; do
    aws iam create-role --role-name "sensorium-$node" --assume-role-policy-document "file://$here/trust.json"
    aws iam put-role-policy --role-name "sensorium-$node" --policy-name bucket \
        --policy-document "file://$policies/bucket.json"
    aws iam create-instance-profile --instance-profile-name "sensorium-$node"
    aws iam add-role-to-instance-profile --instance-profile-name "sensorium-$node" --role-name "sensorium-$node"
done
aws iam put-role-policy --role-name sensorium-head --policy-name workers \
    --policy-document "file://$here/head-policy.json"

# The firewall: ssh from where you are, and everything between the nodes.
group=$(aws ec2 create-security-group --group-name sensorium --description "Ray cluster" --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 22 --cidr "$from"
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol=-1 --source-group "$group"
